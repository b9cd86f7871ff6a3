"""Whatever befalls workers, every image is done once or set aside."""

from collections import Counter
from collections.abc import Iterator

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eval.executors.base import Broken, Ended, Event, Job, Spent, Survived
from eval.executors.cluster.backlog import MOST_TRIES, Backlog
from tests.eval.executors.cluster.backlogs import STAGES, job


class AnyFate(RuleBasedStateMachine):
    """Workers that tell, tell again, end, are left out and join, in any order.

    What each worker still has to do is known by what it was given; outcomes are the images' own.
    """

    @initialize(
        sizes=st.lists(st.integers(0, 12), max_size=5),
        n_stages=st.integers(1, 3),
        needs_end=st.sets(st.sampled_from([one.name for one in STAGES])),
        breaks=st.dictionaries(st.integers(0, 60), st.sampled_from([s.name for s in STAGES])),
    )
    def begin(
        self, sizes: list[int], n_stages: int, needs_end: set[str], breaks: dict[int, str]
    ) -> None:
        self.breaks, self.needs_end = breaks, needs_end
        self.pulled, self.stages_of = list[int](), dict[int, set[str]]()
        self.backlog = Backlog(self.jobs(sizes, n_stages), lambda stage: stage.name in needs_end)
        self.has: dict[int, dict[int, list[Event]]] = {}  # by worker and image, what it will tell
        self.was_told = list[tuple[int, Event]]()
        self.heard = list[tuple[type, str, int]]()
        self.done, self.ends = set[int](), Counter[int]()
        self.survived = set[tuple[str, int]]()
        self.n_workers = 0

    def jobs(self, sizes: list[int], n_stages: int) -> Iterator[Job]:
        for size in sizes:
            start = len(self.pulled)
            made = job(size, start, STAGES[start % n_stages : n_stages])
            self.pulled += made.positions
            self.stages_of.update((p, {s.name for s in made.stages}) for p in made.positions)
            yield made

    def to_tell(self, one: Job, position: int) -> list[Event]:
        found = list[Event]()
        for stage in one.stages:
            is_broken = self.breaks.get(position) == stage.name
            kind = Broken(stage.name, position, None, False) if is_broken else None
            found.append(kind or Survived(stage.name, position))
            if stage.name in self.needs_end:
                found.append(Ended(stage.name, position, not is_broken))
            if is_broken:
                break
        return found

    @precondition(lambda self: len(self.has) < 4)
    @rule(size=st.integers(1, 6), least=st.integers(1, 4))
    def join(self, size: int, least: int) -> None:
        self.backlog.join(self.n_workers, size, least)
        self.has[self.n_workers] = {}
        self.n_workers += 1

    @precondition(lambda self: self.has)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        self.ask_for(data.draw(st.sampled_from(sorted(self.has))))

    def ask_for(self, worker: int) -> None:
        mine = self.has[worker]
        jobs = self.backlog.jobs_for(worker)
        for one in jobs:
            for position in one.positions:
                assert position not in mine
                assert position not in self.done
                assert not any((stage.name, position) in self.survived for stage in one.stages)
                is_copy = len(self.backlog._holders[position]) > 1
                assert not (is_copy and self.backlog._waiting), "copies where nothing waits"
                mine[position] = self.to_tell(one, position)
        suspects = [p for p in mine if self.ends[p] and any(p in one.positions for one in jobs)]
        if suspects:
            assert len(jobs) == 1, "what ended a worker goes out alone"
            assert set(mine) == set(jobs[0].positions)
            assert len({self.ends[p] for p in suspects}) == 1

    @precondition(lambda self: any(self.has.values()))
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(w for w, mine in self.has.items() if mine)))
        self.tell_of(worker, data.draw(st.sampled_from(sorted(self.has[worker]))))

    def tell_of(self, worker: int, position: int) -> None:
        events = self.has[worker][position]
        event = events.pop(0)
        if not events:
            del self.has[worker][position]
        self.was_told.append((worker, event))
        self.hear(worker, event)

    def hear(self, worker: int, event: Event) -> None:
        assert not isinstance(event, Spent)
        news = self.backlog.told(worker, event)
        if news is None:
            return
        assert news is event
        assert event.position not in self.done, "nothing is told of an image that is done"
        self.heard.append((type(event), event.stage, event.position))
        if isinstance(event, Survived) and event.stage not in self.needs_end:
            self.survived.add((event.stage, event.position))
        if event.position not in self.backlog._ways:
            self.done.add(event.position)

    @precondition(lambda self: self.was_told)
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        worker, event = data.draw(st.sampled_from(self.was_told))
        if worker in self.has:
            n = len(self.heard)
            self.hear(worker, event)
            assert len(self.heard) == n

    @precondition(lambda self: self.has and self.pulled)
    @rule(data=st.data())
    def tell_of_another(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.has)))
        position = data.draw(st.sampled_from(self.pulled))
        if position not in self.has[worker]:
            wrong = Broken("one", position, None, False)
            if position not in self.backlog.held[worker].open:
                assert self.backlog.told(worker, wrong) is None

    @precondition(lambda self: self.has)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.has)))
        self.ends.update(p for p in self.has.pop(worker) if p not in self.done)
        self.backlog.lost(worker, "it ended")

    @precondition(lambda self: self.has)
    @rule(data=st.data())
    def leave_out(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.has)))
        del self.has[worker]
        self.backlog.returned(worker)

    @invariant()
    def nothing_is_heard_twice(self) -> None:
        if hasattr(self, "heard"):
            assert max(Counter(self.heard).values(), default=1) == 1

    @invariant()
    def set_aside_only_after_three_ends(self) -> None:
        if hasattr(self, "backlog"):
            aside = self.backlog.positions_aside
            assert len(set(aside)) == len(aside)
            assert all(self.ends[p] >= MOST_TRIES and p not in self.done for p in aside)

    @invariant()
    def every_image_is_somewhere(self) -> None:
        if not hasattr(self, "backlog"):
            return
        backlog = self.backlog
        waiting = [
            p for jobs in (backlog._waiting, backlog._suspect) for j in jobs for p in j.positions
        ]
        held = {p for one in backlog.held.values() for p in one.open}
        apart = [*waiting, *held, *self.done, *backlog.positions_aside]
        assert sorted(apart) == sorted(self.pulled)

    def teardown(self) -> None:
        if not hasattr(self, "backlog"):
            return
        if not self.has:
            self.join(3, 1)
        for _ in range(1000):
            if self.backlog.is_done:
                break
            for worker in self.has:
                self.ask_for(worker)
                while self.has[worker]:
                    self.tell_of(worker, min(self.has[worker]))
        assert self.backlog.is_done
        aside = set(self.backlog.positions_aside)
        assert self.done | aside == set(self.pulled)
        assert not self.done & aside
        kinds = {(position, kind) for kind, _, position in self.heard}
        for position in self.done:
            is_broken = (position, Broken) in kinds
            assert is_broken or (position, Survived) in kinds
            assert is_broken == (self.breaks.get(position) in self.stages_of[position])


TestAnyFate = AnyFate.TestCase
TestAnyFate.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
