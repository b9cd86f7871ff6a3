"""The flags of a curve: each code once, with where it was raised first."""

from __future__ import annotations

from collections.abc import Sequence

from eval.curves.series import STAYS_UP, UNCONFIRMED, CurvePoint, LargeCheck
from eval.report.report import Flag

OF_ALL_IMAGES = frozenset(
    {"clean-at-chance", "label-order", "skipped-images", "other-decoder", "passed-over-files"}
)
"""Codes that only say something of all images; those that stand at a point are a choice of them."""


def curve_flags(
    found: Sequence[tuple[Flag, str]],
    points: Sequence[CurvePoint],
    check: LargeCheck | None,
    norm: str,
    n: int,
) -> tuple[Flag, ...]:
    """The flags of a curve of `n` images.

    found: each flag of each run, with where that was; "" for the clean pass on all images.
    """
    kept: dict[str, list[tuple[str, str]]] = {}
    for flag, where in found:
        if not where or flag.code not in OF_ALL_IMAGES:
            kept.setdefault(flag.code, []).append((where, flag.detail))
    flags = [Flag(code=code, detail=_told(said)) for code, said in kept.items()]
    if lost := [point for point in points if point.unconfirmed]:
        worst = max(lost, key=lambda point: point.unconfirmed)
        detail = (
            f"at {worst.at_text}, {worst.unconfirmed} of {worst.carried} carried adversarial images"
            f" did not fool the model when looked at again{_more(len(lost) - 1)}"
        )
        flags.append(Flag(code=UNCONFIRMED, detail=detail))
    if check is not None and check.standing:
        flags.append(Flag(code=STAYS_UP, detail=_stays_up(check, norm, n)))
    return tuple(flags)


def _told(said: Sequence[tuple[str, str]]) -> str:
    where, detail = said[0]
    return (f"{where}: {detail}" if where else detail) + _more(len({w for w, _ in said}) - 1)


def _more(n_more: int) -> str:
    return f" (and at {n_more} more points)" if n_more > 0 else ""


def _stays_up(check: LargeCheck, norm: str, n: int) -> str:
    proof = ""
    if check.grey:
        proof = (
            f", though plain grey, which lies in the ball, fools the model on {check.grey} of them"
        )
    return (
        f"{check.standing} of {n} images stand against {check.protocol} at {norm} eps"
        f" {check.eps_text}, where every image can be made plain grey{proof}: the gradients may be"
        " masked, or the attack is too weak"
    )
