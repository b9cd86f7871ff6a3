"""Stages that attacks of other libraries carry out; what they return is verified like our own.

Every batch is one call of a newly made attack, with all random numbers begun anew from the seed and
the ids of its images: so verdicts depend on the batch, and on nothing that was attacked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eval.attacks.random import image_key
from eval.bridges.calling import Returned, called
from eval.bridges.guard import guarded, silenced
from eval.bridges.libraries import Call, Victim, made, prepared
from eval.engine.batching import is_out_of_memory, no_memory, warn_of_halving
from eval.engine.counted import CountedModel
from eval.executors.base import (
    TELL_EVERY_S,
    Event,
    Executor,
    Job,
    Meter,
    Pace,
    Setting,
    Survived,
    UnderWay,
    stage_by_stage,
)
from eval.executors.judged import judged
from eval.flags.foreign import ForeignFaults
from eval.foreign import is_foreign

if TYPE_CHECKING:
    from eval.data import Batch
    from eval.report.report import Flag
    from eval.stage import Stage


class Bridged:
    """Carries out the stages of other libraries; `own` has all the others.

    stages: these. tell_every_s: between two `UnderWay` of a stage, at least. Raises `UsageError`
    for one that its library does not make.
    """

    def __init__(
        self,
        setting: Setting,
        own: Executor,
        stages: Iterable[Stage],
        *,
        tell_every_s: float = TELL_EVERY_S,
    ) -> None:
        self._setting, self._own, self._tell_every_s = setting, own, tell_every_s
        self._counted = CountedModel(setting.classifier).eval()
        self._faults: dict[str, ForeignFaults] = {}
        self._n_calls = 0  # of the last batch, by which the next one is measured
        first = setting.data.batch([0])
        for stage in stages:  # one that cannot be is found out now
            x = first.x.to(setting.device)
            with guarded(self._counted, setting.classifier, x, stage.name), silenced():
                made(stage, self._maker(stage, first))
        self._counted.forwards = self._counted.backwards = 0

    def needs_whole_batches(self, stage: Stage) -> bool:
        """Of other libraries' attacks; of the rest as their executor says."""
        return is_foreign(stage) or self._own.needs_whole_batches(stage)

    @property
    def flags(self) -> Sequence[Flag]:
        """What these attacks did that they must not, and what `own` says."""
        found = [flag for faults in self._faults.values() for flag in faults.flags()]
        return [*found, *self._own.flags]

    def run(self, jobs: Iterable[Job]) -> Iterator[Event | UnderWay]:
        """See `Executor.run`."""
        return stage_by_stage(jobs, self._attacked)

    def _attacked(self, job: Job) -> Iterator[Event | UnderWay]:
        (stage,) = job.stages
        if not is_foreign(stage):
            yield from self._own.run([job])
            return
        meter = Meter(stage.name, self._counted.passes)
        yield from meter.with_costs(self._batches(stage, job, meter))
        yield from meter.rest()

    def _batches(self, stage: Stage, job: Job, meter: Meter) -> Iterator[Event]:
        size = job.batch_size
        for i in range(0, len(job.positions), size):
            yield from self._batch(stage, job.positions[i : i + size], meter)

    def _batch(self, stage: Stage, some: Sequence[int], meter: Meter) -> Iterator[Event]:
        """A `Broken` for each broken image, a `Survived` for each other."""
        batch = self._setting.data.batch(some)
        x, y = batch.x.to(self._setting.device), batch.y.to(self._setting.device)
        try:
            outcome = self._called(stage, some, batch, x, y)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(some) == 1:
                raise no_memory(stage.name, error) from error
        else:
            yield from self._judged(stage, some, x, y, outcome, meter)
            return
        # Outside of `except`: the error would keep the tensors of its frames alive.
        half = len(some) // 2
        warn_of_halving(stage.name, half)
        yield from self._batch(stage, some[:half], meter)
        yield from self._batch(stage, some[half:], meter)

    def _called(
        self, stage: Stage, some: Sequence[int], batch: Batch, x: Tensor, y: Tensor
    ) -> Returned:
        self._counted.on_call = self._told(stage, some)
        try:
            return called(
                self._maker(stage, batch),
                self._counted,
                self._setting.classifier,
                x,
                y,
                seed=self._seed(stage, batch),
                name=stage.name,
            )
        finally:
            self._counted.on_call = lambda: None

    def _maker(self, stage: Stage, batch: Batch) -> Callable[[], Call]:
        setting = self._setting
        victim = Victim(
            model=self._counted,
            device=setting.device,
            shape=tuple(batch.x.shape[1:]),
            n_classes=setting.n_classes,
            batch_size=len(batch),
            seed=self._seed(stage, batch),
        )
        return partial(prepared, stage, setting.threat, victim)

    def _seed(self, stage: Stage, batch: Batch) -> int:
        """Of a batch, no larger than every library takes it."""
        return image_key(self._setting.seed, "\n".join(batch.ids), stage.name) % 2**31

    def _judged(
        self,
        stage: Stage,
        some: Sequence[int],
        x: Tensor,
        y: Tensor,
        outcome: Returned,
        meter: Meter,
    ) -> Iterator[Event]:
        setting, x_adv = self._setting, outcome.x_adv
        faults = self._faults.setdefault(stage.name, ForeignFaults(stage.name))
        faults.note_batch(some, outcome.failed, outcome.changed, wrote=outcome.wrote)
        if x_adv is None:
            yield from (Survived(stage.name, p, is_kept=False) for p in some)
            return
        is_inside = setting.threat.contains(x_adv, x)
        is_finite = x_adv.flatten(1).isfinite().all(1)
        faults.note_outside(_at(some, is_finite & ~is_inside), _at(some, ~is_finite))
        has_meddled = bool(outcome.changed) or outcome.wrote
        is_sound = torch.zeros_like(is_inside) if has_meddled else is_inside
        yield from judged(setting, stage, some, x, y, x_adv, meter, is_kept=is_sound)

    def _told(self, stage: Stage, some: Sequence[int]) -> Callable[[], None]:
        """To be called before each pass: tells how far the batch is, by what the last one took."""
        pace, n_last, self._n_calls = Pace(self._tell_every_s), self._n_calls, 0

        def on_call() -> None:
            self._n_calls += 1
            if pace.is_due():
                share = min(self._n_calls / n_last, 1.0) if n_last else 0.0
                self._setting.listener.hear(UnderWay(stage.name, dict.fromkeys(some, share)))

        return on_call


def _at(positions: Sequence[int], mask: Tensor) -> list[int]:
    return [position for position, is_so in zip(positions, mask.tolist(), strict=True) if is_so]
