"""What is known of each image of a run, and what follows from it before all is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from eval.errors import SatZooError
from eval.estimate import Estimate, Tally, before_the_draw, drawn_order
from eval.executors.base import Broken, Event, Survived
from eval.journal.known import Known
from eval.report.report import StageResult


class Ledger:
    """The verdicts of a run, image by image and stage by stage.

    is_right: of each image, without an attack. needs_end: the protocol's stages in order, and
    whether of each the last iterates are wanted too.

    The verdict of an image is "clean" where it was wrong without an attack, the name of the stage
    that broke it, or "robust" for as long as none did. Once an order is drawn (`draw`) these are
    settled one after the other; an image is open until it and all drawn before it are settled, and
    what is known of it already counts for nothing: it is known because it ended early.
    """

    def __init__(self, is_right: Iterable[bool], needs_end: Mapping[str, bool]) -> None:
        self._verdicts = ["robust" if right else "clean" for right in is_right]
        self._n_right = self._verdicts.count("robust")  # asked at each event, so not counted anew
        self._needs_end, self._stages = dict(needs_end), [*needs_end]
        self._known = {stage: Known.nothing(stage) for stage in self._needs_end}
        self._tally: Tally | None = None
        self._ends: Tally | None = None  # the same images, by their last iterates
        self._n_on_all = 0
        self.n_taken = 0
        """Verdicts that were taken, not recalled."""

    def recall(self, stage: str, known: Known) -> None:
        """What earlier sessions found out in `stage`; the stages before it were recalled."""
        self._known[stage] = known.only(self.standing(stage))
        for position in self._known[stage].broken:
            self._break(position, stage)

    def take(self, event: Event) -> None:
        """Note one event."""
        self._known[event.stage].take(event)
        self.n_taken += isinstance(event, Broken | Survived)
        if isinstance(event, Broken):
            self._break(event.position, event.stage)

    def _break(self, position: int, stage: str) -> None:
        self._n_right -= self._verdicts[position] == "robust"
        self._verdicts[position] = stage

    def has_come_to(self, stage: str, position: int) -> bool:
        """Whether an image survived every stage before this one."""
        before = self._stages[: self._stages.index(stage)]
        return all(position in self._known[one].survived for one in before)

    @property
    def n(self) -> int:
        """Images."""
        return len(self._verdicts)

    @property
    def n_right(self) -> int:
        """Images that nothing broke yet, settled or not."""
        return self._n_right

    @property
    def n_settled(self) -> int:
        """Images of which it is known whether they are robust."""
        survived = self._known[self._stages[-1]].survived
        return sum(v != "robust" or i in survived for i, v in enumerate(self._verdicts))

    def n_known(self, stage: str) -> int:
        """Images that have a verdict of `stage`."""
        return self._known[stage].n_settled

    def is_settled_in(self, stage: str, position: int) -> bool:
        """Whether an image has a verdict of `stage`."""
        known = self._known[stage]
        return position in known.broken or position in known.survived

    def standing(self, stage: str) -> list[int]:
        """The images that come to `stage`: right, and broken by none before it."""
        before = {"clean", *self._stages[: self._stages.index(stage)]}
        return [i for i, verdict in enumerate(self._verdicts) if verdict not in before]

    def stages_after(self, stage: str) -> list[str]:
        """The stages that attack what `stage` leaves."""
        return self._stages[self._stages.index(stage) + 1 :]

    def missing(self, stage: str, positions: Sequence[int]) -> list[int]:
        """Those of `positions` of which `stage` has something to find out."""
        return self._known[stage].missing(positions, needs_end=self._needs_end[stage])

    def draw(self, n_on_all: int, ids: Sequence[str], seed: int) -> None:
        """Draw the order of the images that stand after the first `n_on_all` stages, all done."""
        standing = self.standing(self._stages[n_on_all])
        order = [standing[i] for i in drawn_order([ids[i] for i in standing], seed)]
        self._tally, self._n_on_all = Tally(order, self.n), n_on_all
        if self._needs_end[self._stages[-1]]:
            self._ends = Tally(order, self.n)

    @property
    def order(self) -> Sequence[int]:
        """The images that were drawn, in their order."""
        if self._tally is None:
            raise SatZooError("no order was drawn yet: the stages on all images come first")
        return self._tally.order

    def advance(self, is_enough: Callable[[Estimate], bool]) -> bool:
        """Settle what can be settled, up to where it is enough; returns whether it is."""
        if self._tally is None:
            return False
        return self._tally.advance(self._outcome, lambda now: is_enough(self._with_ends(now)))

    def _with_ends(self, now: Estimate) -> Estimate:
        """What is known of the robust images, and of last iterates after as many of the order."""
        if self._ends is None:
            return now
        self._ends.advance(self._right_at_end, lambda ends: ends.m == now.m)
        return replace(now, last_iterates=self._ends.estimate)

    def _right_at_end(self, position: int) -> bool:
        known = self._known[self._stages[-1]]
        return self._verdicts[position] == "robust" or known.right_at_end[position]

    @property
    def right_at_end(self) -> str | None:
        """Of each settled image of the order, 1 where its last iterate is right, else 0."""
        if self._ends is None:
            return None
        return "".join("01"[self._right_at_end(i)] for i in self._ends.settled)

    def is_known(self, position: int) -> bool:
        """Whether nothing is left to find out about an image, settled or not."""
        return self._outcome(position) is not None

    def _outcome(self, position: int) -> bool | None:
        """Whether an image is robust; None: not known yet."""
        verdict = self._verdicts[position]
        for last in self._stages[-1:]:  # none where nothing is attacked
            comes_to_it, needs_end = verdict in {"robust", last}, self._needs_end[last]
            if comes_to_it and self._known[last].is_missing(position, needs_end=needs_end):
                return None
        return verdict == "robust"

    @property
    def is_complete(self) -> bool:
        """Whether every image has the verdict that it ends with."""
        return all(map(self.is_known, range(self.n)))

    @property
    def open(self) -> frozenset[int]:
        """The images that are not settled; none when all is known."""
        if self._tally is not None and not self.is_complete:
            return frozenset(self._tally.order[self._tally.estimate.m :])
        return frozenset(i for i in range(self.n) if not self.is_known(i))

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Of each image, or "open"."""
        is_open = self.open
        return tuple("open" if i in is_open else v for i, v in enumerate(self._verdicts))

    @property
    def estimate(self) -> Estimate:
        """What is known of the number of robust images."""
        if self._tally is not None:
            return self._with_ends(self._tally.estimate)
        outcomes = [self._outcome(i) for i in range(self.n)]
        n_robust, n_open = outcomes.count(True), outcomes.count(None)
        return before_the_draw(self.n, n_robust + n_open, n_robust)

    @property
    def last_on_all(self) -> str | None:
        """The last stage that ran on all images before an order was drawn, "clean" for none.

        None where no order was drawn yet.
        """
        return None if self._tally is None else ["clean", *self._stages][self._n_on_all]

    @property
    def trace(self) -> Sequence[tuple[int, int, int]]:
        """How the interval narrowed, see `Tally.trace`; empty where nothing was drawn."""
        return () if self._tally is None else self._tally.trace

    def known(self, stage: str) -> Known:
        """What `stage` found out, of the images whose verdict may be told."""
        return self._known[stage].only(self._attacked(stage))

    def result(self, stage: str) -> StageResult:
        """What `stage` came to; accuracy after it counts open images as right."""
        attacked, known = self._attacked(stage), self.known(stage)
        left = self._come_to(stage) - known.broken.keys()
        # Of one that no claim of the stage broke, the last iterate fooled nothing either.
        ends = known.right_at_end.items()
        right_at_end = sum(right or p not in known.broken for p, right in ends) / self.n
        tells_ends = self._needs_end[stage] and not self.open
        return StageResult(
            name=stage,
            attacked=len(attacked),
            broken=len(known.broken),
            rejected=known.spent.rejected,
            accuracy_after=len(left) / self.n,
            seconds=known.spent.seconds,
            forwards=known.spent.forwards,
            backwards=known.spent.backwards,
            last_iterate_accuracy=right_at_end if tells_ends else None,
        )

    def _come_to(self, stage: str) -> set[int]:
        """The images that come to `stage` by what may be told: open ones do."""
        return {*self.standing(stage)} | self.open

    def _attacked(self, stage: str) -> set[int]:
        """Those of them that `stage` attacked: open ones too, where it ran on all images."""
        is_on_all = self._tally is not None and self._stages.index(stage) < self._n_on_all
        return self._come_to(stage) - (frozenset() if is_on_all else self.open)
