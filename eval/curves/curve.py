"""A curve, `sat-zoo/curve@1`: accuracy against eps or steps, of one model or of two.

The models here and in `eval.curves.series` are the only definition; `sat-zoo schema curve` prints
their JSON Schema. Every total follows from `fell`, the point at which each image fell, and reading
a file computes it again; so no curve can rise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eval.curves.axis import MOST_POINTS
from eval.curves.series import CurveSeries, ids_sha256
from eval.errors import UsageError
from eval.files.border import plain
from eval.files.document import Document
from eval.foreign import as_typed
from eval.frozen import Frozen
from eval.protocols import protocol
from eval.report.fields import SEEDS, ImageCount, ImageId, Moment, Note, Text
from eval.report.paired import Paired
from eval.report.parts import Label, ProtocolPart
from eval.threat import Threat

SCHEMA: Literal["sat-zoo/curve@1"] = "sat-zoo/curve@1"

Difference = Annotated[float, Field(ge=-1, le=1, strict=True)]


class CurveDifference(Frozen):
    """The first model against the second at one point, on the same images."""

    both: ImageCount
    only_a: ImageCount
    only_b: ImageCount
    neither: ImageCount
    difference: Difference = Field(description="accuracy of the first minus that of the second")
    ci95: tuple[Difference, Difference] = Field(
        description="paired, Newcombe 1998 method 10; of this point alone"
    )

    @classmethod
    def of(cls, a: list[bool], b: list[bool]) -> Self:
        """a, b: for each image whether it stands."""
        paired = Paired.of(a, b)
        return cls(**vars(paired), difference=paired.difference, ci95=paired.interval())


class Curve(Document):
    """Accuracy against eps or against the steps of PGD."""

    TITLE = "curve"

    schema_: Literal["sat-zoo/curve@1"] = Field(alias="schema")
    created: Moment
    command: Note
    along: Literal["eps", "steps"]
    norm: Text
    eps_text: Text | None = Field(description="of a curve along steps; along eps null")
    protocols: tuple[ProtocolPart, ...] = Field(
        min_length=1, max_length=MOST_POINTS, fail_fast=True,
        description="every hyper-parameter: one protocol along eps, one a point along steps",
    )  # fmt: skip
    seed: int = Field(ge=SEEDS.start, lt=SEEDS.stop, strict=True)
    ids: tuple[ImageId, ...] = Field(fail_fast=True)
    labels: tuple[Label, ...] = Field(fail_fast=True)
    series: tuple[CurveSeries, ...] = Field(min_length=1, max_length=2, fail_fast=True)
    differences: tuple[CurveDifference, ...] = Field(
        max_length=MOST_POINTS + 1, fail_fast=True, description="one a point, of two models only"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        try:
            fault = next(self._faults(), "")
        except UsageError as error:  # a threat that cannot be
            fault = str(error)
        if fault:
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        if len(set(self.ids)) < len(self.ids):
            yield "ids holds an id twice"
        if len(self.labels) != len(self.ids):
            yield f"labels has {len(self.labels)} entries for {len(self.ids)} images"
        digest = ids_sha256(self.ids)
        first = self.series[0]
        for series in self.series:
            if len(series.fell) != len(self.ids) or series.data.ids_sha256 != digest:
                yield f"the series of {series.model.name!r} is not of these ids"
            if (series.data.name, series.data.split) != (first.data.name, first.data.split):
                yield "the two series are of two data sets"
            if any(label >= series.model.classes for label in self.labels):
                yield f"a label is none of the {series.model.classes} classes of the model"
            if [p.at_text for p in series.points] != [p.at_text for p in first.points]:
                yield "the two series do not have the same points"
            yield from self._axis_faults(series)
        yield from self._difference_faults()

    def _axis_faults(self, series: CurveSeries) -> Iterator[str]:
        origin, *points = series.points
        if (origin.at_text, origin.at) != ("0", 0):
            yield "points.0 is not the clean accuracy, at 0"
        if len(self.protocols) != (1 if self.along == "eps" else len(points)):
            yield f"{len(self.protocols)} protocols are not those of {len(points)} points"
        if (self.eps_text is None) != (self.along == "eps"):
            yield f"along {self.along} eps_text is {self.eps_text!r}"
        for part in self.protocols:
            if not part.stages or not _as_named(part) or part.fault:
                yield f"the stages of a protocol are not those of {plain(part.name)!r}"
        largest = 0.0
        for number, point in enumerate(points, start=1):
            attack = self.protocols[0 if self.along == "eps" else number - 1]
            threat = Threat(self.norm, self.eps_text or point.at_text)
            at = threat.eps if self.along == "eps" else float(attack.stages[0].steps)
            text = threat.eps_text if self.along == "eps" else str(attack.stages[0].steps)
            if (point.at_text, point.at, point.protocol) != (text, at, attack.name):
                yield f"points.{number} is at {point.at_text}, {point.at}, by {point.protocol}"
            if (threat.norm, threat.eps_text) != (self.norm, self.eps_text or text):
                yield f"norm {self.norm!r} and eps are not written as in a Report"
            largest = threat.eps
        yield from self._check_faults(series, largest)

    def _check_faults(self, series: CurveSeries, largest: float) -> Iterator[str]:
        check = series.check
        if check is None:
            if self.norm == "Linf" and largest >= 0.5:
                yield "check is missing, though the last eps is as large as a check's"
            return
        threat = Threat(self.norm, check.eps_text)
        if (threat.eps, threat.eps_text) != (check.eps, check.eps_text):
            yield f"check: eps {check.eps} is not {check.eps_text!r}, or that is not its one text"
        if check.eps < largest or (self.norm == "Linf" and check.eps < 0.5):
            yield f"check: eps {check.eps_text} is not large enough"

    def _difference_faults(self) -> Iterator[str]:
        wanted = _differences(self.series)
        if len(wanted) != len(self.differences):
            yield f"differences has {len(self.differences)} points, not {len(wanted)}"
            return
        for number, (said, due) in enumerate(zip(self.differences, wanted, strict=True)):
            for name in ("both", "only_a", "only_b", "neither", "difference"):
                if not math.isclose(getattr(said, name), getattr(due, name), abs_tol=1e-9):
                    yield (
                        f"differences.{number}: {name} is {getattr(said, name)}, but the images say"
                        f" {getattr(due, name)}"
                    )
            if not all(
                math.isclose(a, b, abs_tol=1e-9) for a, b in zip(said.ci95, due.ci95, strict=True)
            ):
                yield f"differences.{number}: ci95 is {said.ci95}, but the images say {due.ci95}"

    @property
    def attack(self) -> str:
        """The protocol's name along eps; along steps its family, as pgd."""
        if self.along == "eps":
            return self.protocols[0].name
        return self.protocols[0].stages[0].attack

    def beside(self, other: Curve) -> Curve:
        """A curve of both models, this one's first, with the difference at each point.

        Raises `UsageError` unless both are of the same images, points, threat, attack and seed.
        """
        if len(self.series) + len(other.series) != 2:
            raise UsageError("a curve compares two models: give two curves of one model each")
        parts = (
            ("along", self.along, other.along),
            ("norm", self.norm, other.norm),
            ("eps", self.eps_text, other.eps_text),
            ("the attack", self.protocols, other.protocols),
            ("the seed", self.seed, other.seed),
            ("the images", (self.ids, self.labels), (other.ids, other.labels)),
            ("the data set", self.series[0].data.name, other.series[0].data.name),
            ("the points", *([p.at_text for p in c.series[0].points] for c in (self, other))),
        )
        for what, mine, theirs in parts:
            if mine != theirs:
                raise UsageError(f"the two curves differ in {what}: measure both in the same way")
        series = (*self.series, *other.series)
        content = {name: getattr(self, name) for name in Curve.model_fields if name != "schema_"}
        changed = {"schema": SCHEMA, "series": series, "differences": _differences(series)}
        return Curve.model_validate(content | changed)

    def __repr__(self) -> str:
        names = " and ".join(series.model.name for series in self.series)
        first, n = self.series[0], len(self.ids)
        return (
            f"Curve({names} on {n} of {first.data.name} ({first.data.split}), along {self.along},"
            f" {len(first.points)} points)"
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: the table that the terminal shows, the check and the flags."""
        from eval.curves.summary import curve_html

        return curve_html(self)


def _as_named(part: ProtocolPart) -> bool:
    """Whether its stages are those that its name stands for, as far as we know the name."""
    first = part.stages[0]
    step_size, last_iterate = (first.step_size, first.last_iterate)
    if first.attack != "pgd" or len(part.stages) > 1:
        step_size, last_iterate = None, False
    try:
        wanted = protocol(part.name, step_size=step_size, last_iterate=last_iterate)
    except UsageError:  # of another package, which is not here
        return True
    return (part.name, as_typed(part.stages)) == (wanted.name, as_typed(wanted.stages))


def _differences(series: tuple[CurveSeries, ...]) -> tuple[CurveDifference, ...]:
    if len(series) < 2:
        return ()
    a, b = series
    return tuple(CurveDifference.of(a.holds(i), b.holds(i)) for i in range(len(a.points)))
