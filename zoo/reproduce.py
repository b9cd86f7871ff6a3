"""Do the numbers that were published for a model hold? Each is measured by its own protocol.

A claim that cannot be measured as its source did is listed with the reason: a number from another
protocol would say nothing about it. No torch at import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from eval.ending import points_of
from eval.errors import ReportError, UsageError
from eval.frozen import Frozen
from eval.protocols import protocol
from eval.report.report import Accuracy, Flag, Report
from zoo.cards import Claim, ModelCard, ThreatSpec
from zoo.judging import Verdict, decided, judge, judge_early

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.estimate import Estimate
    from eval.executors.crew import Workplace
    from eval.run import Progress
    from zoo.model import ZooModel

SCHEMA: Literal["sat-zoo/reproduction@1"] = "sat-zoo/reproduction@1"

Counts = Literal["clean", "last iterate", "all stages"]


class JudgedClaim(Frozen):
    """One claim and what was measured for it."""

    claim: Claim
    protocol: str = Field(description="of ours, with its version")
    counts: Counts = Field(description="which number of the report the claim is about")
    measured: Accuracy
    verdict: Verdict
    why: str
    report: str = Field(description="the file with every image's verdict")


class NotRun(Frozen):
    """One claim that cannot be measured as its source did."""

    claim: Claim
    reason: str


class Reproduction(Frozen):
    """Every claim of one card, measured or not."""

    schema_: Literal["sat-zoo/reproduction@1"] = Field(alias="schema", default=SCHEMA)
    model: str
    weights_sha256: str
    weights_source: str
    data: str
    split: str
    n: int
    rows: tuple[JudgedClaim, ...]
    not_run: tuple[NotRun, ...]
    remarks: tuple[str, ...] = Field(description="what to know when reading the numbers")
    flags: tuple[Flag, ...] = Field(description="of the reports, each once")

    def to_json(self) -> str:
        """As indented JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


@dataclass(frozen=True)
class Measurement:
    """One run of a protocol, and the claims it answers. norm, eps: None without an attack."""

    protocol: str
    norm: str | None
    eps: str | None
    claims: tuple[Claim, ...]

    @property
    def counts(self) -> Counts:
        """Which number of the report the claims are about."""
        if self.norm is None:
            return "clean"
        return "last iterate" if self.protocol.startswith("pgd-sat-") else "all stages"

    def file_name(self, model: str, n: int) -> str:
        """Of its report: what else would be another measurement has another name."""
        ball = f".{self.norm}-{self.eps}" if self.norm else ""
        return f"{model}.{self.protocol}{ball.lower().replace('/', '-')}.n{n}.json"


def measurements(info: ModelCard) -> tuple[list[Measurement], list[NotRun]]:
    """What must be run for the claims of a card, and those of them that cannot be.

    Claims of one protocol and one ball share a run. Raises `UsageError` if there is nothing to run.
    """
    runs: dict[tuple[str, str | None, str | None], list[Claim]] = {}
    not_run = []
    for claim in info.claims:
        try:
            runs.setdefault(_run_of(claim), []).append(claim)
        except UsageError as error:
            not_run.append(NotRun(claim=claim, reason=str(error)))
    if not runs:
        why = f": {not_run[0].reason}" if not_run else ""
        what = "only numbers that cannot be run again" if not_run else "no published number"
        raise UsageError(
            f"the card of {info.name} has {what}{why}; measure the model with: sat-zoo eval"
            f" {info.name}"
        )
    return [Measurement(*key, tuple(claims)) for key, claims in runs.items()], not_run


def _run_of(claim: Claim) -> tuple[str, str | None, str | None]:
    """(protocol, norm, eps) of the run that measures `claim`; UsageError: the reason why not."""
    if claim.protocol == "clean":
        return "clean", None, None
    if claim.threat is None:
        raise UsageError("the source states no radius of the ball")
    if claim.run_as is None and claim.protocol.startswith("pgd"):
        # eps/4 would be a guess, and last iterates are not worst ones: another number either way.
        note = f" ({claim.note})" if claim.note else ""
        raise UsageError(f"the source does not state the whole protocol{note}")
    try:
        plan = protocol(claim.run_as or claim.protocol)
    except UsageError:
        raise UsageError(f"{claim.protocol} is no protocol that is known here") from None
    if not plan.stages:
        raise UsageError(f"{plan.name} attacks nothing and cannot measure {claim.protocol}")
    return plan.name, claim.threat.norm, claim.threat.eps


@dataclass(frozen=True)
class Settings:
    """How the measurements run; as the arguments of `zoo.evaluate` with the same names.

    journal: a folder of journals, which lets an interrupted reproduction go on. until: "decided"
    ends an attack once its claims' verdicts are, whatever the images that are left would do; a
    number, as in `zoo.evaluate`.
    """

    seed: int = 0
    batch_size: int | None = None
    device: str = "cpu"
    journal: Path | None = None
    fresh: bool = False
    until: float | Literal["decided"] | None = None
    command: str = ""
    on_progress: Callable[[Progress], None] | None = None
    on_message: Callable[[str], None] | None = None
    executor: Workplace | None = None


def reproduce(model: ZooModel, images: ImageSet, out: Path, settings: Settings) -> Reproduction:
    """Measure every claim on the card of `model` that can be, on `images`.

    out: the folder that gets one Report a run; made if it is not there. The search is in fp32, as
    the published numbers are: bf16 takes other paths to other last iterates.

    Raises as `measurements` and `zoo.evaluate` do; `ReportError` if `out` cannot be made.
    """
    from zoo.evaluation import evaluate

    info = model.card
    own = info.threat or ThreatSpec(eps="8/255")
    runs, not_run = measurements(info)
    prepare_folder(out)
    rows: dict[int, JudgedClaim] = {}
    flags: dict[Flag, None] = {}
    for run in runs:
        path = out / run.file_name(info.name, len(images))
        report = evaluate(
            model,
            images=images,
            attack=run.protocol,
            norm=run.norm or own.norm,  # a clean run has no ball; its report has one all the same
            eps=run.eps or own.eps,
            precision="fp32",
            seed=settings.seed,
            batch_size=settings.batch_size,
            device=settings.device,
            command=settings.command,
            out=path,
            journal=settings.journal if run.norm else None,
            fresh=settings.fresh,
            until=_until(run, settings),
            on_progress=settings.on_progress,
            on_message=settings.on_message,
            executor=settings.executor,
        )
        flags.update(dict.fromkeys(report.flags))
        for claim in run.claims:
            rows[info.claims.index(claim)] = row(info, claim, run, report, path)
    return Reproduction(
        model=info.name,
        weights_sha256=report.model.weights_sha256,
        weights_source=report.model.source,
        data=images.name,
        split=images.split,
        n=len(images),
        rows=tuple(rows[place] for place in sorted(rows)),
        not_run=tuple(not_run),
        remarks=tuple(_remarks(info, images.name, runs)),
        flags=tuple(flags),
    )


def prepare_folder(out: Path) -> None:
    """Make the folder `out`. Raises `ReportError` if that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"`out` {out} cannot be made a folder ({error.strerror}): name another one"
        ) from error


def until_of(text: str | None) -> float | Literal["decided"] | None:
    """What was typed for `Settings.until`. Raises `UsageError` for what is neither."""
    if text is None or text == "decided":
        return text  # type: ignore[return-value]
    return points_of(text)


def _until(run: Measurement, settings: Settings) -> float | Callable[[Estimate], bool] | None:
    """What ends a run early; nothing does where nothing is attacked, which takes no time."""
    if run.norm is None or settings.until is None:
        return None
    return partial(_are_decided, run) if settings.until == "decided" else settings.until


def _are_decided(run: Measurement, known: Estimate) -> bool:
    share = known if run.counts == "all stages" else known.last_iterates
    if share is None or share.s is None:
        return False
    return all(decided(claim.accuracy, share.low, share.high, share.n) for claim in run.claims)


def row(info: ModelCard, claim: Claim, run: Measurement, report: Report, path: Path) -> JudgedClaim:
    """`claim` beside the number of `report` that it is about."""
    measured, full_run = _measured(run.counts, report)
    verdict, why = judge(claim.accuracy, measured)
    if measured.estimated:
        verdict, why = judge_early(claim.accuracy, full_run, measured.n)
    if report.data.name not in {info.dataset, f"{info.dataset}-partial"}:
        verdict = "other pictures"
        why = f"the claim is about {info.dataset}, not about {report.data.name}"
    return JudgedClaim(
        claim=claim,
        protocol=run.protocol,
        counts=run.counts,
        measured=measured,
        verdict=verdict,
        why=why,
        report=str(path),
    )


def _measured(counts: Counts, report: Report) -> tuple[Accuracy, tuple[float, float]]:
    """The number of `report` that counts so, and what the whole run would find; sure to 95 %."""
    if counts == "clean":
        return report.clean, (report.clean.accuracy, report.clean.accuracy)
    if report.robust is None:
        raise ReportError(
            f"{report.model.name}: the report is of {report.protocol.name}, which attacks nothing,"
            f" and has no number that counts {counts}: name an attack in the card's run_as"
        )
    part = report.estimate
    if counts == "all stages":
        exact = (report.robust.accuracy, report.robust.accuracy)
        return report.robust, part.full_run if part else exact
    if part is not None and part.last_iterates is not None and part.last_iterates_full_run:
        return part.last_iterates, part.last_iterates_full_run
    last = report.stages[-1].last_iterate_accuracy
    if last is None:  # another number in its place would be a wrong one
        raise ReportError(f"the report of {report.model.name} does not hold its {counts}s")
    return Accuracy.of(round(last * report.data.n), report.data.n), (last, last)


def _remarks(info: ModelCard, data: str, runs: Iterable[Measurement]) -> list[str]:
    remarks = []
    if any(run.counts == "last iterate" for run in runs):
        remarks.append(
            "last iterate: as the released code counts, an image is lost if the end of its one run"
            " is misclassified; the reports' robust accuracy, of which every iterate counts, is"
            " lower or equal"
        )
    if any(run.norm for run in runs):
        remarks.append("images that are wrong without an attack count as wrong under it")
    if data == f"{info.dataset}-partial":
        remarks.append(
            f"only a part of {info.dataset} is here; the intervals hold if it is a random part"
        )
    return remarks
