"""One evaluation under way: what is known of each image, and what finds out more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from eval.attacks import build
from eval.clean import CleanPass
from eval.data.files.entries import told
from eval.definition import weights_sha256
from eval.engine.heap import freed_memory_kept
from eval.errors import SatZooError, SetAside
from eval.executors.base import (
    Broken,
    Event,
    Executor,
    Job,
    Setting,
    Survived,
    UnderWay,
    whole_batches,
)
from eval.files.interrupts import gated
from eval.flags.model import result_flags, search_flags
from eval.foreign import is_foreign
from eval.ledger import Ledger
from eval.report.report import Flag, StageResult
from eval.schedule import BreadthFirst, Schedule
from eval.wave import Progress, Wave

if TYPE_CHECKING:
    from eval.estimate import Estimate
    from eval.journal.journal import Journal
    from eval.protocols import Protocol
    from eval.request import Request
    from eval.stage import Stage

__all__ = ["Progress", "Run"]


@dataclass(frozen=True, eq=False)
class Run:
    """An evaluation whose clean pass is done; made by `eval.begin.begun`.

    digest: of the model's weights before anything was done with it. first_flags: what is to be
    said before any attack. executor: carries out the jobs, on `device`, searching in `precision`
    with at most `batch_size` images in one pass, all three as they were at the beginning. journal:
    keeps what it tells; whose earlier sessions' results are taken over. images: where adversarial
    images (C, H, W) are kept by position, or None. aside: ids of images, by position, over which
    every worker ended. ledger: what is known so far.
    """

    request: Request
    clean: CleanPass
    setting: Setting
    executor: Executor
    digest: str
    batch_size: int
    device: str
    precision: Literal["fp32", "bf16"]
    first_flags: tuple[Flag, ...] = ()
    journal: Journal | None = None
    images: dict[int, Tensor] | None = None
    on_progress: Callable[[Progress], None] = lambda _: None
    aside: dict[int, str] = field(default_factory=dict, init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        needs_end = {}
        for stage in self.protocol.stages:  # one that cannot be is found out now
            needs_end[stage.name] = not is_foreign(stage) and not (
                build(stage, self.setting.threat, self.clean.n_classes).leaves_when_broken
            )
        object.__setattr__(self, "ledger", Ledger(map(bool, self.clean.is_right), needs_end))
        if self.journal is None:
            return
        if self.images is not None:
            self.images.update(self.journal.images())
        for stage in self.protocol.stages:
            self.ledger.recall(stage.name, self.journal.recall(stage.name))

    @property
    def protocol(self) -> Protocol:
        """The stages."""
        return self.request.protocol

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Of each image: "clean" wrong without an attack, "robust", what broke it, or "open"."""
        return self.ledger.verdicts

    def attack(
        self,
        schedule: Schedule | None = None,
        *,
        is_enough: Callable[[Estimate], bool] = lambda _: False,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Carry out the jobs of the schedule: without one, one stage after the other.

        is_enough, is_late: asked after each event; either ends the attack there, but not before
        something was found out, or a run that is late again and again would never end.

        Raises `SetAside` at the end, of images that could not be attacked.
        """
        schedule = schedule or BreadthFirst()
        reason = ""
        for i, wave in enumerate(schedule.waves(self.protocol.stages, self)):
            if i == schedule.n_on_all:
                self.ledger.draw(i, self.request.data.ids, self.request.seed)
            try:
                if self.carry_out(wave, is_enough=is_enough, is_late=is_late):
                    return
            except SetAside as error:  # what comes after this wave is found out of the others
                self.aside.update(error.ids)
                reason = error.reason
        if self.aside:
            raise SetAside(self.aside, reason)

    @freed_memory_kept()
    def carry_out(
        self,
        jobs: Iterable[Job],
        *,
        is_enough: Callable[[Estimate], bool] = lambda _: False,
        is_late: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Have jobs done, and keep what is told of them; returns whether it was ended early.

        Raises `SatZooError` for an executor that tells of what was not asked, or not of all that
        was: an image of which nothing is told would pass for robust.
        """
        if self.ledger.advance(is_enough):
            self.ledger.advance(lambda _: False)  # nothing is attacked: all that is known may count
            return True
        wave = Wave(self.ledger, self.on_progress)
        self.setting.listener.hear = wave.hear
        with gated() as whole:
            for event in self.executor.run(wave.noted(jobs)):
                if isinstance(event, UnderWay):
                    wave.hear(event)
                    continue
                with whole:
                    wave.check(event)
                    self._take(event)
                    is_told = self.ledger.advance(is_enough)
                if isinstance(event, Broken | Survived):
                    wave.show(event)
                if is_told or (self.ledger.n_taken and is_late()):
                    return True
        wave.check_all_told()
        return False

    def job_of(self, stage: Stage) -> Job:
        """What is left of `stage`, of the images that stand now."""
        standing = self.ledger.standing(stage.name)
        missing = self._without_aside(self.ledger.missing(stage.name, standing))
        if self.executor.needs_whole_batches(stage):
            missing = whole_batches(standing, missing, self.batch_size)
        return Job((stage,), tuple(missing), self.batch_size)

    def jobs_through(self, stages: Sequence[Stage], n_at_once: int) -> Iterator[Job]:
        """What is left of `stages`, in the order that was drawn, `n_at_once` images at a time."""
        order, size = self.ledger.order, min(n_at_once, self.batch_size)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            left = {p for p in self._without_aside(some) if not self.ledger.is_known(p)}
            for i, stage in enumerate(stages):
                now = {*self.ledger.missing(stage.name, [*left])}
                left -= now
                if now:
                    yield Job(tuple(stages[i:]), tuple(p for p in some if p in now), size)

    def _without_aside(self, positions: Sequence[int]) -> Sequence[int]:
        return [p for p in positions if p not in self.aside] if self.aside else positions

    @property
    def n_broken_8bit(self) -> int:
        """How many images are still misclassified after rounding to 8 bits."""
        stages = self.protocol.stages
        return sum(sum(self.ledger.known(stage.name).broken.values()) for stage in stages)

    @property
    def stage_results(self) -> tuple[StageResult, ...]:
        """What each stage came to, in the order of the protocol."""
        return tuple(self.ledger.result(stage.name) for stage in self.protocol.stages)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Reasons to read the numbers with care, as far as they are known; hashes the weights."""
        data = self.request.data
        found = [*self.first_flags]
        for stage in self.stage_results:
            found += search_flags(stage.name, stage.attacked, self.ledger.known(stage.name))
        if data.n_skipped:
            detail = f"{data.n_skipped} images could not be decoded and were left out"
            found.append(Flag(code="skipped-images", detail=detail))
        if data.decoder and data.decoder.differs:
            found.append(Flag(code="other-decoder", detail=data.decoder.differs))
        if data.passed_over:
            found.append(Flag(code="passed-over-files", detail=told(data.passed_over)))
        found += result_flags(self.stage_results, len(data))
        found += self.executor.flags
        if any(flag.code == "model-changed" for flag in found):  # elsewhere, where it was attacked
            return tuple(found)
        return (*found, *self._changed_flags())

    def _take(self, event: Event) -> None:
        if isinstance(event, Broken) and self.images is not None:
            if event.x_adv is None:
                raise SatZooError(f"an executor told of {event.position} without its image")
            self.images[event.position] = event.x_adv.cpu()
        self.ledger.take(event)
        if self.journal is not None and not (isinstance(event, Survived) and not event.is_kept):
            self.journal.add(event)

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
