"""What is still to be done of one wave of jobs: who has what, what was lost, what goes out next.

Nothing here knows how workers are reached. It must always be true that an image is done, waits,
is held by a worker, or is set aside, and that of an image which is done nothing more is told.
What is kept of an image that only waits is its position.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from eval.executors.base import Broken, Ended, Event, Job, Spent, Survived
from eval.executors.cluster.holding import Holding
from eval.executors.cluster.wire import Classified
from eval.executors.stage_search import REFILL_AT

if TYPE_CHECKING:
    from eval.stage import Stage

MOST_TRIES = 3
"""Workers that may end over an image before it is set aside."""

LEAST_AT_ONCE = {"cpu": 16, "cuda": 64}
"""Images that go out together towards the end: fewer are slower each."""

PIECE = 1024
"""Images into which a job is cut: what is given is cut off a piece, which copies the rest of it."""


class Way(NamedTuple):
    """How far an image is: `at` of its stages is being tried, of which `seen` is told."""

    stages: tuple[Stage, ...]
    at: int = 0
    seen: frozenset[type] = frozenset()


class Backlog:
    """The images of one wave, on their way through `jobs`, which are asked for as they are needed.

    needs_end: whether a stage tells of last iterates too. A clean pass is a wave of jobs whose only
    stage is `CLEAN`.
    """

    def __init__(self, jobs: Iterable[Job], needs_end: Callable[[Stage], bool]) -> None:
        self._coming, self._is_over = iter(jobs), False
        self._needs_end = needs_end
        self._waiting = deque[Job]()
        self._n_waiting = 0
        self._suspect = deque[Job]()  # of images that were held when workers ended
        self._n_open = self._n_aside = 0
        self._ways: dict[int, Way] = {}  # of open images that went out
        self._tries: dict[int, int] = {}  # of these, workers that ended while they held them
        self._holders: dict[int, tuple[int, ...]] = {}
        self.held: dict[int, Holding] = {}
        self.aside: list[tuple[Job, str]] = []
        """Images over which too many workers ended, and what the last of them said."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for; see `aside` for what will not come."""
        self._pull(1)
        return self._is_over and self._n_open == self._n_aside

    @property
    def positions_aside(self) -> list[int]:
        """The images that are set aside."""
        return sorted(position for job, _ in self.aside for position in job.positions)

    def join(self, worker: int, batch_size: int, least: int) -> None:
        """A worker that can be given shards."""
        self.held[worker] = Holding(batch_size, least)

    def jobs_for(self, worker: int) -> tuple[Job, ...]:
        """What to give to `worker` now; () where it has enough, or there is nothing for it.

        A shard that ended a worker goes out alone, so that it takes no others with it, and before
        anything else, or the first images of an order would be known last. Where nothing waits, an
        idle worker gets a copy of half of what another has most of: whoever is first counts, so
        that no slow one holds the end.
        """
        holding = self.held[worker]
        wanted = self._wanted(holding)
        n_held = len(holding.open)
        has_suspects = not holding.open.isdisjoint(self._tries)
        if has_suspects or n_held > (1 - REFILL_AT) * wanted:
            return ()
        if self._suspect:
            given = [] if n_held else [self._suspect.popleft()]
        else:
            given = list(self._next(wanted - n_held))
        if not given and not n_held and self._is_over:
            given = self._copies(worker)
        self._give(worker, given)
        return tuple(given)

    def _give(self, worker: int, given: Sequence[Job]) -> None:
        self.held[worker].take(given)
        alone = (worker,)
        for job in given:
            way = Way(job.stages)
            for position in job.positions:
                self._ways.setdefault(position, way)
                before = self._holders.get(position)
                self._holders[position] = (*before, worker) if before else alone

    def _next(self, n: int) -> Iterator[Job]:
        """Of what waits the first `n` images."""
        while n > 0 and self._waiting:
            job = self._waiting.popleft()
            if len(job.positions) > n:
                self._waiting.appendleft(_only(job, job.positions[n:]))
                job = _only(job, job.positions[:n])
            n -= len(job.positions)
            self._n_waiting -= len(job.positions)
            yield job

    def _wanted(self, holding: Holding) -> int:
        """Images that the worker should hold: fewer towards the end, so that all end together."""
        n = max(len(self.held), 1)
        self._pull(n * holding.most)
        if not self._is_over:
            return holding.most
        left = self._n_open - self._n_aside
        share, half = math.ceil(left / n), math.ceil(left / (2 * n))
        return max(1, min(holding.most, max(half, min(holding.least, share))))

    def _pull(self, n: int) -> None:
        """Ask for jobs until `n` images wait, or there are none any more."""
        while self._n_waiting < n and not self._is_over:
            job = next(self._coming, None)
            if job is None:
                self._is_over = True
                return
            starts = range(0, len(job.positions), PIECE)
            self._waiting += (_only(job, job.positions[i : i + PIECE]) for i in starts)
            self._n_waiting += len(job.positions)
            self._n_open += len(job.positions)

    def _copies(self, worker: int) -> list[Job]:
        """Half of what is open, and held once, of the worker that has most of it.

        Of what ended a worker one shard alone, and none that may be the last try: copies of it that
        follow one another would end workers without end.
        """
        once: dict[int, list[int]] = {}
        for key, one in self.held.items():
            if key != worker:
                once[key] = [p for p in one.open if self._may_be_copied(p)]
        slowest = max(once, key=lambda key: len(once[key]), default=None)
        if slowest is None:
            return []
        ordered = sorted(once[slowest])
        found = self._left_of(self.held[slowest].shards, {*ordered[len(ordered) // 2 :]})
        suspect = [job for job in found if job.positions[0] in self._tries]
        return suspect[:1] or found

    def _may_be_copied(self, position: int) -> bool:
        return len(self._holders[position]) == 1 and self._tries.get(position, 0) < MOST_TRIES - 1

    def _left_of(self, shards: Sequence[Job], positions: set[int]) -> list[Job]:
        """The shards with only these `positions`, each with the stages that it has left.

        Images that ended workers are in shards of their own.
        """
        found = list[Job]()
        for shard in shards:
            alike: dict[tuple[tuple[Stage, ...], int], list[int]] = {}
            for position in shard.positions:
                if position in positions:
                    way = self._ways[position]
                    key = way.stages[way.at :], self._tries.get(position, 0)
                    alike.setdefault(key, []).append(position)
            for (stages, _), some in alike.items():
                found.append(replace(shard, stages=stages, positions=tuple(some)))
        return found

    def told(self, worker: int, event: Event | Classified) -> Event | Classified | None:
        """Note what a worker tells; returns what of it anybody should hear, None for nothing.

        Not of an image that is done or that it was not given, nor again what is known; but what is
        verified broken is heard, whichever stage others are in by now.
        """
        if isinstance(event, Spent):
            self.held[worker].seconds += event.seconds
            return event
        if isinstance(event, Classified):
            return self._classified(worker, event)
        position = event.position
        if worker not in self._holders.get(position, ()):
            return None
        way, kind = self._ways[position], type(event)
        if event.stage != way.stages[way.at].name:
            names = [stage.name for stage in way.stages[: way.at]]
            if kind is not Broken or event.stage not in names:
                return None
            way = Way(way.stages, names.index(event.stage))  # what others hold has this no more
            for other in self._holders[position]:
                if other != worker:
                    self.held[other].drop(position)
            self._holders[position] = (worker,)
        if kind in way.seen or (kind is Survived and Broken in way.seen):
            return None
        self._go_on(worker, position, way, way.seen | {kind})
        return event

    def _go_on(self, worker: int, position: int, way: Way, seen: frozenset[type]) -> None:
        """`seen` is told of the stage that the image is in: the next one comes, or it is done."""
        is_verdict = Broken in seen or Survived in seen
        if not is_verdict or (Ended not in seen and self._needs_end(way.stages[way.at])):
            self._ways[position] = Way(way.stages, way.at, seen)
        elif Broken in seen or way.at == len(way.stages) - 1:
            self._finish(position, worker)
        else:
            self._ways[position] = Way(way.stages, way.at + 1)

    def _classified(self, worker: int, found: Classified) -> Classified | None:
        """The same without images that others have classified meanwhile; None if none is left."""
        mine = [i for i, p in enumerate(found.positions) if worker in self._holders.get(p, ())]
        some = tuple(found.positions[i] for i in mine)
        for position in some:
            self._finish(position, worker)
        if not some:
            return None
        return replace(
            found, positions=some, answers=found.answers[mine], ranking=found.ranking[mine]
        )

    def _finish(self, position: int, worker: int) -> None:
        del self._ways[position]
        self._n_open -= 1
        self._tries.pop(position, None)
        for key in self._holders.pop(position):
            self.held[key].drop(position)
        self.held[worker].told += 1

    def lost(self, worker: int, reason: str) -> None:
        """A worker has ended: what it held waits again, in front, or is set aside.

        Of several shards that it held any may be at fault, and of one that is, either half; of a
        copy too, though another worker goes on with it: that one is given no more beside it.
        """
        for position in self.held[worker].open:
            self._tries[position] = self._tries.get(position, 0) + 1
        for job in self._taken_from(worker):
            if self._tries[job.positions[0]] >= MOST_TRIES:
                self.aside.append((job, reason))
                self._n_aside += len(job.positions)
                continue
            middle = (len(job.positions) + 1) // 2
            halves = job.positions[:middle], job.positions[middle:]
            self._suspect.extend(_only(job, some) for some in halves if some)

    def returned(self, worker: int) -> None:
        """A worker is left out, through no fault of its images: they wait again, in front."""
        for job in reversed(self._taken_from(worker)):
            if job.positions[0] in self._tries:
                self._suspect.appendleft(job)
            else:
                self._waiting.appendleft(job)
                self._n_waiting += len(job.positions)

    def _taken_from(self, worker: int) -> list[Job]:
        """What nobody else holds of what the worker held."""
        holding = self.held.pop(worker)
        alone = set[int]()
        for position in holding.open:
            others = tuple(one for one in self._holders.pop(position) if one != worker)
            if others:
                self._holders[position] = others
            else:
                alone.add(position)
        return self._left_of(holding.shards, alone)


def _only(job: Job, positions: tuple[int, ...]) -> Job:
    return replace(job, positions=positions)
