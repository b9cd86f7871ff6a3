"""What attacks of other libraries did that they must not, counted for the Report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eval.report.report import Flag


@dataclass
class ForeignFaults:
    """Of one stage; images by position, so that one that is attacked twice counts once."""

    stage: str
    attacked: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    outside: set[int] = field(default_factory=set)
    not_finite: set[int] = field(default_factory=set)
    changed: dict[str, set[int]] = field(default_factory=dict)

    def note_batch(
        self, positions: Sequence[int], failed: str, changed: Sequence[str], *, wrote: bool
    ) -> None:
        """What became of a batch: why no images came back, what of the model was changed."""
        self.attacked.update(positions)
        if failed:
            self.failed.update(dict.fromkeys(positions, failed))
        for what in [f"the model's {one}" for one in changed] + ["the images given to it"] * wrote:
            self.changed.setdefault(what, set()).update(positions)

    def note_outside(self, outside: Sequence[int], not_finite: Sequence[int]) -> None:
        """Images that came back outside of the ball, or with NaN or infinite pixels."""
        self.outside.update(outside)
        self.not_finite.update(not_finite)

    def flags(self) -> list[Flag]:
        """One for each kind of fault."""
        of, found = f"of the {len(self.attacked)} images that it was given", []
        if self.failed:
            whys = list(dict.fromkeys(self.failed.values()))
            more = f", and {len(whys) - 1} more reasons" if len(whys) > 1 else ""
            detail = (
                f"{self.stage} {whys[0]}{more}: {len(self.failed)} {of} count as surviving it,"
                " though it did not attack them"
            )
            found.append(Flag(code="attack-failed", detail=detail))
        if n := len(self.outside | self.not_finite):
            detail = (
                f"{self.stage} returned {n} {of} outside of the ball or of [0, 1]"
                f" ({len(self.not_finite)} of them with NaN or infinite pixels): refused, so that"
                " they count as surviving it"
            )
            found.append(Flag(code="attack-outside", detail=detail))
        if self.changed:
            n_each = ", ".join(f"{what} ({len(ps)} images)" for what, ps in self.changed.items())
            detail = (
                f"{self.stage} changed what is not its own: {n_each}; all was put back before"
                " anything was verified"
            )
            found.append(Flag(code="attack-meddled", detail=detail))
        return found
