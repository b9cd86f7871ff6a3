"""What the stages of protocols did in Reports: how many images fell, and after how many passes.

`shares.json` holds it for the Reports that were given to `python -m eval.planning`, which wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from eval.frozen import Frozen
from eval.stage import Stage

if TYPE_CHECKING:
    from eval.report.report import Report

FILE = Path(__file__).with_name("shares.json")


class StageShare(Frozen):
    """What one stage did to the images that came to it."""

    name: str
    attacked: int
    broken: int
    forwards: int
    backwards: int


class ReportShares(Frozen):
    """The stages of one Report."""

    report: str = Field(description="its file's name")
    model: str
    weights_sha256: str
    data: str
    n: int
    norm: str
    eps: float
    shares: tuple[StageShare, ...]


class ProtocolShares(Frozen):
    """A protocol, and the Reports of it."""

    protocol: str
    stages: tuple[Stage, ...]
    reports: tuple[ReportShares, ...]


class Shares(Frozen):
    """The content of `shares.json`."""

    schema_: Literal["sat-zoo/shares@1"] = Field(alias="schema")
    protocols: tuple[ProtocolShares, ...]

    def to_json(self) -> str:
        """As indented JSON text."""
        return self.model_dump_json(by_alias=True, indent=1, exclude_defaults=True) + "\n"

    def known(
        self, stages: Sequence[Stage], *, without: str = ""
    ) -> list[tuple[ReportShares, StageShare]]:
        """What the last of `stages` did where the stages before it were the others, too.

        without: the digest of weights whose Reports are left out: a model is not predicted from
        what is known of itself.
        """
        wanted = [_what_it_does(stage) for stage in stages]
        return [
            (report, report.shares[len(stages) - 1])
            for protocol in self.protocols
            if [_what_it_does(stage) for stage in protocol.stages[: len(stages)]] == wanted
            for report in protocol.reports
            if report.weights_sha256 != without
        ]

    def names(self, stages: Sequence[Stage], *, without: str = "") -> tuple[str, ...]:
        """The Reports that tell of any of `stages` but the first, by file name."""
        found = (self.known(stages[: i + 1], without=without) for i in range(1, len(stages)))
        return tuple(sorted({report.report for known in found for report, _ in known}))


def _what_it_does(stage: Stage) -> Stage:
    """`stage` without what does not change how many images fall."""
    return stage.model_copy(update={"last_iterate": False, "fallback_loss": None, "name": ""})


def shares_of(reports: Iterable[tuple[str, Report]]) -> Shares:
    """The shares of Reports, each with its file's name; those that tell of none are left out.

    Of runs that ended early and of the reference engine, whose passes are others, nothing is taken.
    """
    found: dict[tuple[str, tuple[Stage, ...]], list[ReportShares]] = {}
    for name, report in sorted(reports, key=lambda pair: pair[0]):
        stages = report.protocol.stages
        if stages and report.engine.name == "fast" and report.estimate is None:
            found.setdefault((report.protocol.name, stages), []).append(_shares(name, report))
    return Shares(
        schema="sat-zoo/shares@1",
        protocols=tuple(
            ProtocolShares(protocol=name, stages=stages, reports=tuple(reports))
            for (name, stages), reports in sorted(found.items(), key=lambda item: item[0][0])
        ),
    )


def _shares(name: str, report: Report) -> ReportShares:
    return ReportShares(
        report=name,
        model=report.model.name,
        weights_sha256=report.model.weights_sha256,
        data=report.data.name,
        n=report.data.n,
        norm=report.threat.norm,
        eps=report.threat.eps,
        shares=tuple(
            StageShare(
                name=stage.name,
                attacked=stage.attacked,
                broken=stage.broken,
                forwards=stage.forwards,
                backwards=stage.backwards,
            )
            for stage in report.stages
        ),
    )


@cache
def known_shares() -> Shares:
    """What this project's own Reports say."""
    return Shares.model_validate_json(FILE.read_bytes())
