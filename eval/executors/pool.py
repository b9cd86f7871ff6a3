"""Our own executor: a pool of rows that the engine of this process searches."""

from __future__ import annotations

from collections.abc import Iterator

from eval.attacks import build
from eval.executors.base import Event, Job, Meter, Setting, stage_by_stage
from eval.executors.stage_search import StageSearch
from eval.stage import Stage


class Pool:
    """Carries out jobs with the engine of `setting`; see `StageSearch`.

    A batch size that did not fit into memory is not tried again in later jobs.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._fits: int | None = None

    def needs_whole_batches(self, stage: Stage) -> bool:
        """No: an image meets its own random numbers, whatever it shares a batch with."""
        return False

    def run(self, job: Job) -> Iterator[Event]:
        """See `Executor.run`."""
        return stage_by_stage(job, self._attacked)

    def _attacked(self, job: Job) -> Iterator[Event]:
        (stage,), setting = job.stages, self._setting
        meter = Meter(stage.name, setting.engine.passes)
        search = StageSearch(
            setting,
            stage.name,
            build(stage, setting.threat, setting.n_classes),
            job.positions,
            min(job.batch_size, self._fits or job.batch_size),
            meter,
        )
        before = search.batch_size
        yield from meter.with_costs(search.run())
        if search.batch_size < before:
            self._fits = search.batch_size
