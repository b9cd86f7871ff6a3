"""What a curve attacks with, point by point; all of it is known before torch is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from eval.curves.axis import eps_points, step_points
from eval.errors import UsageError
from eval.protocols import Protocol, protocol
from eval.radius import Number
from eval.threat import Norm, Threat, norm_name

Along = Literal["eps", "steps"]
Said = Number | Sequence[Number]

DEFAULT_ATTACK = "pgd-20"
_FAMILIES = ("pgd", "pgd-sat")


@dataclass(frozen=True)
class PlannedPoint:
    """One point: its text on the axis, the ball, and what attacks in it."""

    text: str
    threat: Threat
    protocol: Protocol


@dataclass(frozen=True)
class CurvePlan:
    """The points of a curve after the clean one, in rising order."""

    along: Along
    points: tuple[PlannedPoint, ...]

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Each once: one along eps, one a point along steps."""
        return tuple({point.protocol.name: point.protocol for point in self.points}.values())


def curve_plan(
    eps: Said | None = None,
    steps: str | int | Sequence[int] | None = None,
    attack: str | None = None,
    *,
    norm: Norm = "Linf",
    step_size: Number | None = None,
) -> CurvePlan:
    """The points that `eps`, or `steps` and one `eps`, ask for; see `eval.curve` for each argument.

    Raises `UsageError` for what cannot be or does not go together.
    """
    if steps is not None:
        return _along_steps(eps, steps, attack, norm, step_size)
    if eps is None:
        raise UsageError(
            "a curve needs points: give `eps='1/255:16/255'`, or steps such as 1,2,5,10,20,50,100"
        )
    plan = protocol(attack or DEFAULT_ATTACK, step_size=step_size)
    if not plan.stages:
        raise UsageError(
            f"attack {attack!r} attacks nothing, and a curve begins with the clean accuracy anyway:"
            " use for example pgd-20"
        )
    threats = [Threat(norm_name(norm), text) for text in eps_points(eps)]
    return CurvePlan("eps", tuple(PlannedPoint(t.eps_text, t, plan) for t in threats))


def _along_steps(
    eps: Said | None,
    steps: str | int | Sequence[int],
    attack: str | None,
    norm: Norm,
    step_size: Number | None,
) -> CurvePlan:
    family = (attack or "pgd").lower()
    if family not in _FAMILIES:
        own = re.fullmatch(r"(pgd(?:-sat)?)-\d+(?:@1)?", family)
        hint = f"write `attack={own[1]!r}`" if own else "use `attack='pgd'` or `attack='pgd-sat'`"
        what = "has a number of steps of its own" if own else "is no attack of so many steps"
        raise UsageError(f"attack {attack!r} {what}, and a curve along steps chooses them: {hint}")
    counts = step_points(steps)
    radii = () if eps is None else eps_points(eps)
    if len(radii) != 1:
        what = f"{len(radii)} are given" if radii else "none is given"
        raise UsageError(
            f"a curve along steps has one eps, and {what}: give one radius, as `eps='8/255'`, or"
            " leave the steps out"
        )
    threat = Threat(norm_name(norm), radii[0])
    named = [(str(k), protocol(f"{family}-{k}", step_size=step_size)) for k in counts]
    return CurvePlan("steps", tuple(PlannedPoint(text, threat, plan) for text, plan in named))


def large_eps(norm: str, n_values: int) -> str:
    """A radius at which the ball around any image holds plain grey, 1/2 in every value.

    n_values: numbers in an image, C x H x W. In Linf 1/2; in L2 the root of n_values/4, rounded up
    to a whole number. There an attack that follows a gradient that is not masked must break every
    image but those of a model that answers grey, and all around it, as it answers the image.

    Source: Carlini et al. 2019, arXiv 1902.06705, section 4.3: unbounded attacks reach 100 %.
    """
    if norm == "Linf":
        return "0.5"
    whole = math.isqrt(n_values - 1) + 1  # of the root, rounded up
    return str((whole + 1) // 2)
