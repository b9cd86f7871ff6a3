"""What an executor was asked in one wave of jobs: whether it tells of that, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.errors import SatZooError
from eval.executors.base import Broken, Event, Job, Spent, Survived, UnderWay

if TYPE_CHECKING:
    from eval.estimate import Estimate
    from eval.ledger import Ledger


@dataclass(frozen=True)
class Progress:
    """Where an evaluation stands.

    done of total images of the stage are settled; n_right of the n evaluated are right so far:
    in the stage "clean" without an attack, later under what has been tried. estimate: what follows
    for the end, once an order was drawn. under_way: what is done of images that are not settled, in
    images: each counts by the share of its longest search that is behind it.
    """

    stage: str
    done: int
    total: int
    n_right: int
    n: int
    estimate: Estimate | None = None
    under_way: float = 0.0

    @property
    def work_done(self) -> float:
        """Of `total`, images under way included; at most that."""
        return min(self.done + self.under_way, self.total)


class Wave:
    """What an executor was asked in one wave of jobs, and how far it is."""

    def __init__(self, ledger: Ledger, on_progress: Callable[[Progress], None]) -> None:
        self._ledger, self._on_progress = ledger, on_progress
        self._asked: dict[str, bytearray] = {}  # by stage, of each image 1 where it was asked for
        self._totals: dict[str, int] = {}  # by stage, the images that come to it
        self._shares: dict[str, dict[int, float]] = {}  # by stage, of images without a verdict
        self._under_way: dict[str, float] = {}  # by stage, their sum

    def noted(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs, each noted before it is handed over."""
        for job in jobs:
            for stage in job.stages:
                if stage.name not in self._asked:
                    self._totals[stage.name] = len(self._ledger.standing(stage.name))
                    self._asked[stage.name] = bytearray(self._ledger.n)
                asked = self._asked[stage.name]
                for position in job.positions:
                    asked[position] = 1
            self._show(job.stages[0].name)
            yield job

    def check(self, event: Event) -> None:
        """Raises `SatZooError` for an event of what was not asked, or not yet."""
        asked = self._asked.get(event.stage)
        if asked is None or not (isinstance(event, Spent) or _holds(asked, event.position)):
            raise SatZooError(f"an executor told {event}, which is of no image of its job")
        if isinstance(event, Spent) or self._ledger.has_come_to(event.stage, event.position):
            return
        raise SatZooError(
            f"an executor told {event}, but that image has not survived the stages before"
        )

    def check_all_told(self) -> None:
        """Raises `SatZooError` where nothing was told of an image."""
        for stage, asked in self._asked.items():
            standing = [p for p in self._ledger.standing(stage) if asked[p]]
            untold = self._ledger.missing(stage, standing)
            if untold:
                raise SatZooError(
                    f"an executor said nothing of {len(untold)} of {sum(asked)} images in"
                    f" {stage}: its verdicts cannot be used"
                )

    def show(self, event: Broken | Survived) -> None:
        """Show how far the stage is that an event is of."""
        shares = self._shares.get(event.stage)
        if shares and (share := shares.pop(event.position, None)) is not None:
            rest = self._under_way[event.stage] - share
            self._under_way[event.stage] = max(rest, 0.0) if shares else 0.0
        if isinstance(event, Broken):  # it will not come to the stages after this one
            for later in self._ledger.stages_after(event.stage):
                if later in self._totals:
                    self._totals[later] -= 1
        self._show(event.stage)

    def hear(self, how_far: UnderWay) -> None:
        """Show how far the images of a stage are that have no verdict of it yet."""
        if how_far.stage not in self._asked:
            return
        known = self._ledger.is_settled_in
        self._shares[how_far.stage] = {
            position: min(max(share, 0.0), 1.0)
            for position, share in how_far.shares.items()
            if not known(how_far.stage, position)
        }
        self._under_way[how_far.stage] = sum(self._shares[how_far.stage].values())
        self._show(how_far.stage)

    def _show(self, stage: str) -> None:
        ledger = self._ledger
        estimate = None if ledger.last_on_all is None else ledger.estimate
        n_known, n_right = ledger.n_known(stage), ledger.n_right
        total, under_way = self._totals[stage], self._under_way.get(stage, 0.0)
        self._on_progress(Progress(stage, n_known, total, n_right, ledger.n, estimate, under_way))


def _holds(asked: bytearray, position: int) -> bool:
    return 0 <= position < len(asked) and bool(asked[position])
