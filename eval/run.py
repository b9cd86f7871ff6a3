"""One evaluation under way: what is known of each image, and what finds out more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from eval.attacks import build
from eval.clean import CleanPass
from eval.data.files.entries import told
from eval.definition import weights_sha256
from eval.engine.heap import freed_memory_kept
from eval.errors import SatZooError
from eval.executors.base import (
    Broken,
    Event,
    Executor,
    Job,
    Setting,
    Spent,
    Survived,
    whole_batches,
)
from eval.flags.model import fault_flags, result_flags, search_flags
from eval.journal.known import Known
from eval.report.report import Flag, StageResult
from eval.schedule import Schedule, breadth_first

if TYPE_CHECKING:
    from eval.journal.journal import Journal
    from eval.protocols import Protocol
    from eval.request import Request
    from eval.stage import Stage


@dataclass(frozen=True)
class Progress:
    """Where an evaluation stands.

    done of total images of the stage are settled; n_right of the n evaluated are right so far:
    in the stage "clean" without an attack, later under what has been tried.
    """

    stage: str
    done: int
    total: int
    n_right: int
    n: int


@dataclass(frozen=True, eq=False)
class Run:
    """An evaluation whose clean pass is done; made by `eval.begin.begun`.

    digest: of the model's weights before anything was done with it. first_flags: what is to be
    said before any attack. executor: carries out the jobs. journal: keeps what it tells; whose
    earlier sessions' results are taken over. images: where adversarial images (C, H, W) are kept
    by position, or None.
    """

    request: Request
    clean: CleanPass
    setting: Setting
    executor: Executor
    digest: str
    batch_size: int
    first_flags: tuple[Flag, ...] = ()
    journal: Journal | None = None
    images: dict[int, Tensor] | None = None
    on_progress: Callable[[Progress], None] = lambda _: None
    _verdicts: list[str] = field(init=False, default_factory=list, repr=False)
    _known: dict[str, Known] = field(init=False, default_factory=dict, repr=False)
    _needs_end: dict[str, bool] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._verdicts.extend("robust" if right else "clean" for right in self.clean.is_right)
        for stage in self.protocol.stages:  # one that cannot be is found out now
            attack = build(stage, self.setting.threat, self.clean.n_classes)
            self._needs_end[stage.name] = not attack.leaves_when_broken
        if self.journal is not None and self.images is not None:
            self.images.update(self.journal.images())
        for stage in self.protocol.stages:
            known = Known.nothing(stage.name)
            if self.journal is not None:
                known = self.journal.recall(stage.name).only(self.standing(stage.name))
            self._known[stage.name] = known
            self._take_broken(stage.name, known.broken)

    @property
    def protocol(self) -> Protocol:
        """The stages."""
        return self.request.protocol

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Of each image so far: "clean" wrong without an attack, "robust", or what broke it."""
        return tuple(self._verdicts)

    def attack(self, schedule: Schedule = breadth_first) -> None:
        """Carry out every job of the schedule."""
        for job in schedule(self.protocol.stages, self):
            self.carry_out(job)

    @freed_memory_kept()
    def carry_out(self, job: Job) -> None:
        """Have one job done, and keep what is told of it.

        Raises `SatZooError` for an executor that tells of what was not asked, or not of all that
        was: an image of which nothing is told would pass for robust.
        """
        totals = {stage.name: len(self.standing(stage.name)) for stage in job.stages}
        self._progress(job.stages[0].name, totals)
        positions = set(job.positions)
        for event in self.executor.run(job):
            is_asked = isinstance(event, Spent) or event.position in positions
            if event.stage not in totals or not is_asked:
                raise SatZooError(f"an executor told {event}, which is of no image of its job")
            self._take(event)
            if isinstance(event, Broken | Survived):
                self._progress(event.stage, totals)
        for stage in totals:
            untold = positions & {*self.standing(stage)} - self._known[stage].settled
            if untold:
                raise SatZooError(
                    f"an executor said nothing of {len(untold)} of {len(positions)} images in"
                    f" {stage}: its verdicts cannot be used"
                )

    def standing(self, stage: str) -> list[int]:
        """The images that come to `stage`: right, and broken by none before it."""
        names = [one.name for one in self.protocol.stages]
        before = {"clean", *names[: names.index(stage)]}
        return [i for i, verdict in enumerate(self._verdicts) if verdict not in before]

    def job_of(self, stage: Stage) -> Job:
        """What is left of `stage`, of the images that stand now."""
        standing = self.standing(stage.name)
        missing = self._known[stage.name].missing(standing, needs_end=self._needs_end[stage.name])
        if self.executor.needs_whole_batches(stage):
            missing = whole_batches(standing, missing, self.batch_size)
        return Job((stage,), tuple(missing), self.batch_size)

    @property
    def n_settled(self) -> int:
        """How many images have the verdict that they will end with."""
        *_, last = self.protocol.stages
        survived = self._known[last.name].survived
        return sum(v != "robust" or i in survived for i, v in enumerate(self._verdicts))

    @property
    def n_broken_8bit(self) -> int:
        """How many images are still misclassified after rounding to 8 bits."""
        return sum(sum(self._of(stage.name).broken.values()) for stage in self.protocol.stages)

    @property
    def stage_results(self) -> tuple[StageResult, ...]:
        """What each stage came to, in the order of the protocol."""
        return tuple(self._result(stage.name) for stage in self.protocol.stages)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Reasons to read the numbers with care, as far as they are known; hashes the weights."""
        data = self.request.data
        found = [*self.first_flags]
        for stage in self.protocol.stages:
            n_attacked = len(self.standing(stage.name))
            found += search_flags(stage.name, n_attacked, self._of(stage.name))
        if data.n_skipped:
            detail = f"{data.n_skipped} images could not be decoded and were left out"
            found.append(Flag(code="skipped-images", detail=detail))
        if data.passed_over:
            found.append(Flag(code="passed-over-files", detail=told(data.passed_over)))
        found += result_flags(self.stage_results, len(data))
        found += fault_flags(self.setting.engine)
        return (*found, *self._changed_flags())

    def _of(self, stage: str) -> Known:
        return self._known[stage].only(self.standing(stage))

    def _take(self, event: Event) -> None:
        self._known[event.stage].take(event)
        if isinstance(event, Broken):
            self._take_broken(event.stage, [event.position])
            if self.images is not None:
                self.images[event.position] = event.x_adv.cpu()
        if self.journal is not None:
            self.journal.add(event)

    def _take_broken(self, stage: str, positions: Iterable[int]) -> None:
        for position in positions:
            self._verdicts[position] = stage

    def _result(self, stage: str) -> StageResult:
        standing, known = self.standing(stage), self._of(stage)
        n = len(self._verdicts)
        # Of one that no claim of the stage broke, the last iterate fooled nothing either.
        ends = known.right_at_end.items()
        right_at_end = sum(right or p not in known.broken for p, right in ends) / n
        return StageResult(
            name=stage,
            attacked=len(standing),
            broken=len(known.broken),
            rejected=known.spent.rejected,
            accuracy_after=(len(standing) - len(known.broken)) / n,
            seconds=known.spent.seconds,
            forwards=known.spent.forwards,
            backwards=known.spent.backwards,
            last_iterate_accuracy=right_at_end if self._needs_end[stage] else None,
        )

    def _changed_flags(self) -> list[Flag]:
        """Of a model whose weights or statistics are not what they were before."""
        after = weights_sha256(self.setting.classifier.model)
        if after == self.digest:
            return []
        detail = (
            f"the state dict was {self.digest[:12]} before the run and {after[:12]} after it: the"
            " model adapts while it is evaluated"
        )
        return [Flag(code="model-changed", detail=detail)]

    def _progress(self, stage: str, totals: dict[str, int]) -> None:
        n_settled = self._known[stage].n_settled
        n_right = self._verdicts.count("robust")
        self.on_progress(Progress(stage, n_settled, totals[stage], n_right, len(self._verdicts)))
