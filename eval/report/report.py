"""The Report: what an evaluation found, and enough beside it to check or repeat it.

The models here and in `eval.report.parts` are the only definition of `sat-zoo/report@1`;
`sat-zoo schema report` prints their JSON Schema. Accuracies are fractions in [0, 1]; every total
can be recomputed from `images`, and reading a report does so.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from eval.errors import UsageError
from eval.estimate import Estimate
from eval.files.document import Document
from eval.report.bounds import contradiction
from eval.report.estimated import checked_estimate
from eval.report.fields import SEEDS, Moment, Note, Seconds
from eval.report.old import unattacked
from eval.report.parts import (
    OPEN,
    UNBROKEN,
    Accuracy,
    DataPart,
    EnginePart,
    EstimatePart,
    Flag,
    Images,
    ModelPart,
    ProtocolPart,
    StageResult,
    Survive8Bit,
    ThreatPart,
)
from eval.report.words import advice, one_line
from eval.threat import Threat

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "OPEN",
    "SCHEMA",
    "UNBROKEN",
    "Accuracy",
    "DataPart",
    "EnginePart",
    "EstimatePart",
    "Flag",
    "Images",
    "ModelPart",
    "ProtocolPart",
    "Report",
    "StageResult",
    "Survive8Bit",
    "ThreatPart",
]

SCHEMA: Literal["sat-zoo/report@1"] = "sat-zoo/report@1"


class Report(Document):
    """One evaluation of one model on one set of images under one protocol."""

    TITLE = "Report"

    schema_: Literal["sat-zoo/report@1"] = Field(alias="schema")
    created: Moment
    command: Note
    model: ModelPart
    data: DataPart
    threat: ThreatPart
    protocol: ProtocolPart
    engine: EnginePart
    seed: int = Field(ge=SEEDS.start, lt=SEEDS.stop, strict=True)
    clean: Accuracy
    robust: Accuracy | None = Field(
        description="under every stage; null exactly where the protocol has no stage: without an"
        " attack there is no robust accuracy (older files repeat clean there; that is read as null)"
    )
    stages: tuple[StageResult, ...]
    images: Images
    flags: tuple[Flag, ...] = Field(max_length=1000, fail_fast=True)
    survive_8bit: Survive8Bit
    seconds: Seconds
    estimate: EstimatePart | None = Field(
        default=None, description="where the run ended before all images were settled, else null"
    )

    @model_validator(mode="before")
    @classmethod
    def _old_files(cls, content: Any) -> Any:
        return unattacked(content)

    @model_validator(mode="after")
    def _totals_follow_from_images(self) -> Self:
        if (self.robust is None) == bool(self.protocol.stages):
            raise ValueError(
                "robust must be an accuracy where the protocol has stages, and null where it has"
                " none: without an attack there is no robust accuracy"
            )
        right = "robust" if self.protocol.stages else "right"
        allowed = {"clean", right, OPEN} | {stage.name for stage in self.protocol.stages}
        if foreign := set(self.images.verdicts) - allowed:
            raise ValueError(f"verdict {sorted(foreign)[0]!r} names no stage of the protocol")
        if [s.name for s in self.stages] != [s.name for s in self.protocol.stages]:
            raise ValueError("stages do not have the names and order of protocol.stages")
        if not self.images.ids:
            raise ValueError("images.ids is empty, so that no total can be computed again")
        clean, robust = self.clean, self.robust or self.clean
        if robust.correct > clean.correct and robust.accuracy > clean.accuracy:
            raise ValueError(
                f"robust.correct is {robust.correct} and clean.correct only {clean.correct}, but an"
                " image that is wrong without an attack is not robust"
            )
        for what, claimed, recomputed in self._totals(checked_estimate(self)):
            if not math.isclose(claimed, recomputed, abs_tol=1e-9):
                raise ValueError(f"{what} is {claimed} but the images say {recomputed}")
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        ids = self.images.ids
        if len(set(ids)) < len(ids):
            raise ValueError("images.ids holds an id twice")
        try:
            threat = Threat(self.threat.norm, self.threat.eps_text)
        except UsageError as error:
            raise ValueError(f"threat: {error}") from error
        n_open = self.images.verdicts.count(OPEN)
        n_broken = self.clean.correct - (self.robust or self.clean).correct - n_open
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        pairs: tuple[tuple[str, object, object], ...] = (
            ("data.ids_sha256", self.data.ids_sha256, digest),
            ("survive_8bit.n", self.survive_8bit.n, n_broken),
            ("threat.norm", self.threat.norm, threat.norm),
            ("threat.eps", self.threat.eps, threat.eps),
        )
        for what, stated, recomputed in pairs:
            if stated != recomputed:
                raise ValueError(f"{what} is {stated}, but the rest of it says {recomputed}")
        if not 0 <= self.survive_8bit.broken_after_rounding <= n_broken:
            raise ValueError(
                f"survive_8bit.broken_after_rounding is {self.survive_8bit.broken_after_rounding},"
                f" but {n_broken} images were broken"
            )
        if fault := contradiction(self) or self.protocol.fault:
            raise ValueError(fault)
        return self

    def _totals(self, known: Estimate | None) -> list[tuple[str, float, float]]:
        verdicts, n = self.images.verdicts, len(self.images.ids)
        clean = n - verdicts.count("clean")
        totals: list[tuple[str, float, float]] = [
            ("length of images.labels", len(self.images.labels), n),
            ("length of images.verdicts", len(verdicts), n),
            ("data.n", self.data.n, n),
        ]
        shares = [("clean", self.clean, Accuracy.of(clean, n))]
        if self.robust is not None:
            counted = Accuracy.of(verdicts.count("robust"), n)
            again = Accuracy.of_estimate(known) if known else counted
            shares.append(("robust", self.robust, again))
        for name, part, again in shares:
            totals += [
                (f"{name}.correct", part.correct, again.correct),
                (f"{name}.n", part.n, again.n),
                (f"{name}.accuracy", part.accuracy, again.accuracy),
                (f"{name}.ci95[0]", part.ci95[0], again.ci95[0]),
                (f"{name}.ci95[1]", part.ci95[1], again.ci95[1]),
            ]
        return totals + self._stage_totals(clean)

    def _stage_totals(self, left: int) -> list[tuple[str, float, float]]:
        """`left`: right images. Those that are open were attacked by the stages that ran on all."""
        verdicts, n = self.images.verdicts, len(self.images.ids)
        after = self.estimate.after if self.estimate else None
        names = [stage.name for stage in self.stages]
        n_on_all = names.index(after) + 1 if after in names else 0
        totals: list[tuple[str, float, float]] = []
        for i, stage in enumerate(self.stages):
            broken, n_open = verdicts.count(stage.name), verdicts.count(OPEN)
            attacked = left if i < n_on_all else left - n_open
            totals += [
                (f"stage {stage.name}: attacked", stage.attacked, attacked),
                (f"stage {stage.name}: broken", stage.broken, broken),
                (f"stage {stage.name}: accuracy_after", stage.accuracy_after, (left - broken) / n),
            ]
            left -= broken
        return totals

    def __repr__(self) -> str:
        return one_line(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: the table and findings that the terminal shows, and the flags."""
        from eval.report.html import report_html

        return report_html(self)

    @classmethod
    def _advice(cls, error: ErrorDetails) -> str:
        return advice(error)
