"""The parts of a curve's file: points, the check at a large eps, one model's series."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from eval.curves.axis import MOST_POINTS
from eval.frozen import Frozen
from eval.report.fields import ImageCount, PassCount, Seconds, Text
from eval.report.parts import Accuracy, DataPart, EnginePart, Flag, ModelPart

STAYS_UP, UNCONFIRMED = "curve-stays-up", "carried-unconfirmed"

Fell = Annotated[int, Field(ge=0, le=MOST_POINTS + 1, strict=True)]


class CurvePoint(Frozen):
    """What stands at one point. The first is the clean accuracy, at 0."""

    at_text: Text = Field(description="eps as in a Report, 8/255, or the number of steps; 0: clean")
    at: float = Field(ge=0, le=1e9, strict=True)
    protocol: Text | None = Field(description="a name in `protocols`; null: nothing was attacked")
    attacked: ImageCount = Field(description="images that stood at the point before")
    broken: ImageCount = Field(description="of these, by this point's attack")
    carried: ImageCount = Field(
        description="adversarial images of earlier points, each verified again in this ball"
    )
    unconfirmed: ImageCount = Field(
        description="of the carried, those that this did not find misclassified again; they were"
        " when they were found, and count as fallen"
    )
    accuracy: Accuracy
    seconds: Seconds
    forwards: PassCount
    backwards: PassCount


class LargeCheck(Frozen):
    """The attack where it must break everything: the ball holds plain grey, 1/2 in every value."""

    eps: float = Field(gt=0, le=1e9, strict=True)
    eps_text: Text = Field(description="of the last point if that is as large, else of its own run")
    protocol: Text
    attacked: ImageCount = Field(description="images that stood at the last point")
    standing: ImageCount = Field(description="of these, still; not 0: gradients may be masked")
    grey: ImageCount = Field(description="of those standing, misclassified as plain grey")
    seconds: Seconds
    forwards: PassCount
    backwards: PassCount


class CurveSeries(Frozen):
    """One model along the curve."""

    model: ModelPart
    data: DataPart
    engine: EnginePart
    fell: tuple[Fell | None, ...] = Field(
        fail_fast=True,
        description="for each image the number of the point at which it fell: 0 wrong without an"
        " attack, one more than the last point: only at the check; null: it stands",
    )
    points: tuple[CurvePoint, ...] = Field(min_length=2, max_length=MOST_POINTS + 1, fail_fast=True)
    check: LargeCheck | None = Field(description="null: it was not asked for")
    flags: tuple[Flag, ...] = Field(max_length=1000, fail_fast=True)
    seconds: Seconds

    def holds(self, index: int) -> list[bool]:
        """For each image whether it stands at the point of that number."""
        return [fell is None or fell > index for fell in self.fell]

    @property
    def stays_up(self) -> bool:
        """Whether something stands where nothing can."""
        return self.check is not None and self.check.standing > 0

    @model_validator(mode="after")
    def _totals_follow_from_images(self) -> Self:
        fault = next(self._faults(), "")
        if fault:
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        if not self.fell:
            yield "fell is empty, so that no total can be computed again"
            return
        last = len(self.points) - 1
        if any(f is not None and f > last + (self.check is not None) for f in self.fell):
            yield f"fell names a point after the last, number {last}"
        if self.data.n != len(self.fell):
            yield f"data.n is {self.data.n}, but fell has {len(self.fell)} images"
        for number, point in enumerate(self.points):
            for what, said, counted in _totals(self, number, point):
                if not math.isclose(said, counted, abs_tol=1e-9):
                    yield f"points.{number}: {what} is {said}, but the images say {counted}"
            if point.unconfirmed > point.carried:
                yield f"points.{number}: unconfirmed is more than carried"
            if (point.protocol is None) != (number == 0):
                yield f"points.{number}: only the first point has no attack"
        for before, after in pairwise(self.points):
            if after.at <= before.at or after.accuracy.correct > before.accuracy.correct:
                yield f"at {after.at_text} the curve does not go on from {before.at_text}"
        yield from self._check_faults(last)
        yield from self._flag_faults()

    def _check_faults(self, last: int) -> Iterator[str]:
        check = self.check
        if check is None:
            return
        for what, said, counted in (
            ("attacked", check.attacked, sum(self.holds(last))),
            ("standing", check.standing, self.fell.count(None)),
        ):
            if said != counted:
                yield f"check: {what} is {said}, but the images say {counted}"
        if check.grey > check.standing:
            yield "check: grey is more than standing"
        if check.protocol != self.points[-1].protocol:
            yield "check: its protocol is not that of the last point"

    def _flag_faults(self) -> Iterator[str]:
        codes = {flag.code for flag in self.flags}
        for code, is_due in (
            (STAYS_UP, self.stays_up),
            (UNCONFIRMED, any(point.unconfirmed for point in self.points)),
        ):
            if (code in codes) != is_due:
                yield f"flags: {code} is {'missing' if is_due else 'there without a reason'}"


def ids_sha256(ids: Sequence[str]) -> str:
    """As `data.ids_sha256`."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _totals(
    series: CurveSeries, number: int, point: CurvePoint
) -> tuple[tuple[str, float, float], ...]:
    n = len(series.fell)
    counted = Accuracy.of(sum(series.holds(number)), n)
    stood = counted.correct if number == 0 else sum(series.holds(number - 1))
    carried = 0 if number == 0 else sum(series.holds(0)) - stood
    said = point.accuracy
    return (
        ("accuracy.correct", said.correct, counted.correct),
        ("accuracy.n", said.n, n),
        ("accuracy.accuracy", said.accuracy, counted.accuracy),
        ("accuracy.ci95[0]", said.ci95[0], counted.ci95[0]),
        ("accuracy.ci95[1]", said.ci95[1], counted.ci95[1]),
        ("accuracy.estimated", said.estimated, False),
        ("attacked", point.attacked, stood if number else 0),
        ("broken", point.broken, stood - counted.correct),
        ("carried", point.carried, carried),
    )
