"""Our own executor: pools of rows, one a stage, which this process searches in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from eval.attacks import build
from eval.executors.base import TELL_EVERY_S, Event, Job, Meter, Pace, Setting, Survived, UnderWay
from eval.executors.stage_search import REFILL_AT, StageSearch
from eval.flags.model import fault_flags
from eval.report.report import Flag
from eval.stage import Stage


@dataclass(frozen=True)
class Lane:
    """One stage of a run, and what it costs. n_after: stages that its images have before them.

    pace: at which it tells how far it is.
    """

    search: StageSearch
    meter: Meter
    n_after: int
    pace: Pace

    def turn(self) -> Iterator[Event | UnderWay]:
        """The next step of its rows, with what it took."""
        yield from self.meter.with_costs(self.search.turn())
        if not self.search.has_work:
            yield from self.meter.rest()
        elif self.pace.is_due():  # not after each step: it waits for a GPU
            yield UnderWay(self.search.name, self.search.shares())


class Pool:
    """Carries out jobs with the engine of `setting`, in a `StageSearch` for each stage.

    The latest stage that has a batch of rows steps. Where none has, the next job comes in, so that
    its rows join the last ones of this job; unless a batch of rows is under way, in several stages:
    then the first of these steps, and its rows join the later ones. So the device is full, and
    images are done as early as can be.

    A batch size that did not fit into memory is not tried again.

    tell_every_s: between two `UnderWay` of a stage, at least.
    """

    def __init__(self, setting: Setting, *, tell_every_s: float = TELL_EVERY_S) -> None:
        self._setting, self._tell_every_s = setting, tell_every_s
        self._fits: int | None = None

    def needs_whole_batches(self, stage: Stage) -> bool:
        """No: an image meets its own random numbers, whatever it shares a batch with."""
        return False

    @property
    def flags(self) -> Sequence[Flag]:
        """Of a copy of the model that went wrong."""
        return fault_flags(self._setting.engine)

    def run(self, jobs: Iterable[Job]) -> Iterator[Event | UnderWay]:
        """See `Executor.run`."""
        lanes: dict[str, Lane] = {}
        routes: dict[int, tuple[Stage, ...]] = {}  # by image under way, the stages before it
        coming, job = iter(jobs), None
        while True:
            job = next(coming, None) if job is None else job
            is_full = job is None or _is_batch(sum(_rows(lanes)), job.batch_size)
            lane = _full_lane(lanes) or (_first_lane(lanes) if is_full else None)
            if lane is not None:
                yield from self._turn(lane, lanes, routes)
            elif job is not None:
                self._open(job, lanes)
                routes.update(dict.fromkeys(job.positions, job.stages))
                lanes[job.stages[0].name].search.add(job.positions)
                job = None
            else:
                return

    def _turn(
        self, lane: Lane, lanes: dict[str, Lane], routes: dict[int, tuple[Stage, ...]]
    ) -> Iterator[Event | UnderWay]:
        """One step of `lane`; what survives its stage goes on to the next one of its job."""
        engine, name, size = self._setting.engine, lane.search.name, lane.search.batch_size
        was_copy = engine.is_copy
        for event in lane.turn():
            yield event
            if isinstance(event, Survived) and routes[event.position][0].name == name:
                routes[event.position] = left = routes[event.position][1:]
                if left:
                    lanes[left[0].name].search.add([event.position])
                else:
                    del routes[event.position]
        others = [other.search for other in lanes.values() if other is not lane]
        if was_copy and not engine.is_copy:  # they went by the same copy
            for search in others:
                search.search_again()
        if lane.search.batch_size < size:
            self._fits = lane.search.batch_size
            for search in others:
                search.batch_size = min(search.batch_size, self._fits)

    def _open(self, job: Job, lanes: dict[str, Lane]) -> None:
        """A lane for each stage of the job."""
        setting = self._setting
        size = min(job.batch_size, self._fits or job.batch_size)
        for i, stage in enumerate(job.stages):
            if stage.name in lanes:
                continue
            meter = Meter(stage.name, setting.engine.passes)
            attack = build(stage, setting.threat, setting.n_classes)
            search = StageSearch(setting, stage.name, attack, size, meter)
            pace = Pace(self._tell_every_s)
            lanes[stage.name] = Lane(search, meter, len(job.stages) - 1 - i, pace)


def _is_batch(n_rows: int, batch_size: int) -> bool:
    return n_rows >= (1 - REFILL_AT) * batch_size


def _rows(lanes: dict[str, Lane]) -> Iterator[int]:
    return (lane.search.n_rows for lane in lanes.values())


def _full_lane(lanes: dict[str, Lane]) -> Lane | None:
    """The latest stage that has rows for a batch."""
    full = [one for one in lanes.values() if _is_batch(one.search.n_rows, one.search.batch_size)]
    return min(full, key=lambda lane: lane.n_after, default=None)


def _first_lane(lanes: dict[str, Lane]) -> Lane | None:
    """The earliest stage that has anything to do."""
    working = [lane for lane in lanes.values() if lane.search.has_work]
    return max(working, key=lambda lane: lane.n_after, default=None)
