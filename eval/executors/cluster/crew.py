"""A run whose passes are computed by workers: see `eval.executors.crew.Crew`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from eval.attacks import build
from eval.clean import CleanPass
from eval.engine.engine import Engine, plain_engine
from eval.executors.base import Event, Job, Setting, UnderWay
from eval.executors.cluster.backlog import Backlog
from eval.executors.cluster.wire import CLEAN, Classified
from eval.executors.crew import Looked
from eval.report.report import Flag

if TYPE_CHECKING:
    from eval.engine.classifier import Classifier
    from eval.executors.cluster.fleet import Fleet
    from eval.executors.cluster.roster import Hand
    from eval.executors.cluster.wire import Prepared
    from eval.request import Request
    from eval.stage import Stage


class RemoteCrew:
    """The workers of `fleet`, which has this run assigned.

    model: untouched, in this process, where it is asked for its digest and no more.
    """

    def __init__(self, fleet: Fleet, model: Classifier, request: Request) -> None:
        self._fleet, self._request = fleet, request
        self.engine: Engine = plain_engine(model)
        self._first: Hand | None = None
        self._looked: tuple[Flag, ...] = ()

    @property
    def device(self) -> str:
        """Of the workers."""
        return self._fleet.device

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Of every worker's search."""
        return self._prepared.precision

    @property
    def batch_size(self) -> int:
        """Of the first worker; each has its own."""
        return self._prepared.batch_size

    @property
    def _prepared(self) -> Prepared:
        assert self._first is not None, "first it looks"
        assert self._first.prepared is not None, "it is prepared"
        return self._first.prepared

    def look(self) -> Looked:
        """Wait for the first worker, and say what it found. Raises `SatZooError` if none comes."""
        self._first = first = self._fleet.until_ready()
        self._looked = first.flags
        return Looked(first.flags, self._prepared.remarks)

    def clean(self, on_batch: Callable[[int, int], None]) -> CleanPass:
        """See `eval.executors.crew.Crew.clean`."""
        data = self._request.data
        answers = np.full(len(data), -1, np.int64)
        ranking, n_classes = np.empty((0, 0), np.uint8), 0
        n_done, n_right = 0, 0
        job = Job((CLEAN,), tuple(range(len(data))), self.batch_size)
        backlog = Backlog([job], lambda _: False)
        for found in self._fleet.carry_out("clean", backlog):
            assert isinstance(found, Classified), "a clean pass tells nothing else"
            if not n_classes:
                n_classes = found.n_classes
                ranking = np.zeros((len(data), found.ranking.shape[1]), found.ranking.dtype)
            at = np.asarray(found.positions)
            answers[at], ranking[at] = found.answers, found.ranking
            n_done += len(at)
            n_right += int((found.answers == data.labels[at]).sum())
            on_batch(n_done, n_right)
        self._fleet.begin(n_classes, ranking)
        return CleanPass(answers, answers == data.labels, ranking, n_classes)

    def executor(self, setting: Setting) -> Spread:
        """See `eval.executors.crew.Crew.executor`."""
        return Spread(self._fleet, setting, self._looked)


class Spread:
    """An `Executor` that has jobs carried out by workers. said: flags that are said already."""

    def __init__(self, fleet: Fleet, setting: Setting, said: Sequence[Flag]) -> None:
        self._looked = said
        self._fleet, self._setting = fleet, setting
        self._ends: dict[str, bool] = {}

    def needs_whole_batches(self, stage: Stage) -> bool:
        """No: an image meets its own random numbers, wherever it is attacked."""
        return False

    def run(self, jobs: Iterable[Job]) -> Iterator[Event | UnderWay]:
        """See `Executor.run`."""
        for event in self._fleet.carry_out("attack", Backlog(jobs, self._needs_end)):
            assert not isinstance(event, Classified), "an attack classifies nothing"
            yield event

    def _needs_end(self, stage: Stage) -> bool:
        if stage.name not in self._ends:
            attack = build(stage, self._setting.threat, self._setting.n_classes)
            self._ends[stage.name] = not attack.leaves_when_broken
        return self._ends[stage.name]

    @property
    def flags(self) -> Sequence[Flag]:
        """What workers say of how it went, and whether they are of one kind."""
        codes = {flag.code for flag in self._looked}
        found = [flag for flag in self._fleet.flags_at_look if flag.code not in codes]
        return [*found, *(flag for flag in self._fleet.flags if flag not in self._looked)]
