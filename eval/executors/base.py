"""What an executor is given, and what it tells: jobs in, events out.

A run knows nothing of how its images are attacked: it hands over jobs and takes every `Event`. An
executor knows nothing of journals, reports and schedules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.errors import UsageError
from eval.threat import Threat

if TYPE_CHECKING:
    import numpy as np

    from eval.data import ImageSet
    from eval.engine.classifier import Classifier
    from eval.engine.engine import Engine
    from eval.report.report import Flag
    from eval.stage import Stage


@dataclass(frozen=True)
class Job:
    """Images to attack with each of `stages` in turn, of which each attacks what still stands.

    positions: in the data, none twice. batch_size: images in one pass; fewer where memory runs out.
    """

    stages: tuple[Stage, ...]
    positions: tuple[int, ...]
    batch_size: int

    def __post_init__(self) -> None:
        if not self.stages or self.batch_size < 1 or len(set(self.positions)) < len(self.positions):
            raise UsageError(
                f"a job of {len(self.stages)} stages on {len(self.positions)} positions in batches"
                f" of {self.batch_size} cannot be: it needs a stage, each position once, and a"
                " batch size of 1 or more"
            )


@dataclass(frozen=True)
class Broken:
    """A verified adversarial image x_adv (C, H, W) of the image at `position`.

    x_adv: None where it was found on another machine and nobody asked for it. is_broken_8bit: still
    misclassified after rounding to 8 bits. had_nan: on the way there a gradient had an entry that
    was NaN or infinite.
    """

    stage: str
    position: int
    x_adv: Tensor | None
    is_broken_8bit: bool
    had_nan: bool = False


@dataclass(frozen=True)
class Survived:
    """The stage has nothing left to try against the image at `position`.

    had_gradient: whether any gradient on the way was not zero everywhere; had_nan: as in `Broken`.
    is_kept: False where an attack of others went wrong with it: no journal has it then, so that
    the next session attacks it again and says the same of it.
    """

    stage: str
    position: int
    had_gradient: bool = True
    had_nan: bool = False
    is_kept: bool = True


@dataclass(frozen=True)
class Ended:
    """The end of the run of the image at `position`, broken or not: what the last iterate does.

    Only from attacks that keep broken images to their last iterate.
    """

    stage: str
    position: int
    is_right: bool


@dataclass(frozen=True)
class Spent:
    """What a stage has cost since that was told last.

    forwards, backwards: images sent through networks. rejected: candidates that verification
    refused.
    """

    stage: str
    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    rejected: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.stage,
            self.seconds + other.seconds,
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True)
class UnderWay:
    """How far the search of images without a verdict is; told now and then, for people to see.

    shares: by position, of the longest way that its search can take, the share that it has gone.
    """

    stage: str
    shares: Mapping[int, float]


Event = Broken | Survived | Ended | Spent
"""What an executor tells, as soon as it is known."""


@dataclass(eq=False)
class Listener:
    """Who is told of `UnderWay` from within a call of others, where an executor cannot yield."""

    hear: Callable[[UnderWay], None] = lambda _: None


class Executor(Protocol):
    """Whatever carries out jobs."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event | UnderWay]:
        """Attack until nothing is left to try, telling each event once it is known and proven.

        The next job is asked for as soon as there is room for it, which may be before the last one
        ended, and again where there was none; no two of them share an image. A `Broken` comes
        before the `Ended` of the same image, what was spent before what it found; an event of an
        image may be told twice.
        """

    def needs_whole_batches(self, stage: Stage) -> bool:
        """Whether an image's verdict depends on the batch that it is attacked in."""

    @property
    def flags(self) -> Sequence[Flag]:
        """What a reader must know of how the jobs were carried out so far."""


@dataclass(frozen=True)
class Setting:
    """What all jobs of a run have in common.

    classifier: the untouched model, which verifies. engine: what searches.
    ranking: (N, R) the classes other than the label by falling clean logit, for each position.
    listener: see there.
    """

    classifier: Classifier
    engine: Engine
    n_classes: int
    data: ImageSet
    threat: Threat
    seed: int
    device: torch.device
    ranking: NDArray[np.unsignedinteger]
    listener: Listener = field(default_factory=Listener)


def whole_batches(standing: Sequence[int], missing: Sequence[int], batch_size: int) -> list[int]:
    """Those batches of `standing` that hold any of `missing`, whole.

    For an executor that draws its random numbers a batch, see `Executor.needs_whole_batches`.
    """
    wanted = set(missing)
    batches = [standing[i : i + batch_size] for i in range(0, len(standing), batch_size)]
    return [p for batch in batches if not wanted.isdisjoint(batch) for p in batch]


def stage_by_stage(
    jobs: Iterable[Job], attack: Callable[[Job], Iterator[Event | UnderWay]]
) -> Iterator[Event | UnderWay]:
    """The events of jobs one after the other, each stage of which is a job of its own for `attack`.

    A stage attacks what the stages of its job before it left.
    """
    for job in jobs:
        standing = job.positions
        for stage in job.stages:
            broken = set[int]()
            for event in attack(replace(job, stages=(stage,), positions=standing)):
                if isinstance(event, Broken):
                    broken.add(event.position)
                yield event
            standing = tuple(position for position in standing if position not in broken)


TELL_EVERY_S = 0.5
"""How long costs, and how far a search is, may wait to be told while nothing is found."""


class Pace:
    """Says when something is to be told again: not before `every_s` are over, seconds."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._last = every_s, time.monotonic()

    def is_due(self) -> bool:
        """Whether it is now; then the time begins anew."""
        now = time.monotonic()
        if now - self._last < self._every_s:
            return False
        self._last = now
        return True


class Meter:
    """Measures what a stage costs; `rejected` is added to by whoever verifies.

    passes: images sent forward and backward so far, by whatever stage.
    """

    def __init__(self, stage: str, passes: Callable[[], tuple[int, int]]) -> None:
        self.rejected = 0
        self._passes = passes
        self._untold = self._nothing = Spent(stage)

    def with_costs(self, events: Iterator[Event | UnderWay]) -> Iterator[Event | UnderWay]:
        """The events of one turn of the stage, each after a `Spent` of what it took.

        What is spent without an event is told once it is `TELL_EVERY_S`, or by `rest`.
        """
        since = self._now()
        for event in events:
            since = self._add(since)
            if self._untold != self._nothing:
                yield from self.rest()
            yield event
        self._add(since)
        if self._untold.seconds >= TELL_EVERY_S:
            yield from self.rest()

    def rest(self) -> Iterator[Spent]:
        """What was spent and not told yet, which is told by this."""
        untold, self._untold = self._untold, self._nothing
        yield untold

    def _now(self) -> tuple[float, int, int]:
        return (time.perf_counter(), *self._passes())

    def _add(self, since: tuple[float, int, int]) -> tuple[float, int, int]:
        now = self._now()
        seconds, forwards, backwards = (
            after - before for after, before in zip(now, since, strict=True)
        )
        passes = int(forwards), int(backwards)
        self._untold += Spent(self._nothing.stage, seconds, *passes, self.rejected)
        self.rejected = 0
        return now
