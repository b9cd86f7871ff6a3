"""The order in which a run's work is done: a schedule is a sequence of waves, each of some jobs.

Verdicts do not depend on it; what is known before the end does. Jobs of one wave may overlap. The
next wave is asked for when all events of the last were taken, so that it sees what still stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.executors.base import Job
from eval.stage import Stage


class Standing(Protocol):
    """What a schedule sees of a run."""

    def job_of(self, stage: Stage) -> Job:
        """What is left of `stage`, of the images that stand now."""

    def jobs_through(self, stages: Sequence[Stage], n_at_once: int) -> Iterator[Job]:
        """What is left of `stages`, in the order that was drawn, `n_at_once` images at a time."""


class Schedule(Protocol):
    """Whatever brings every image through every stage, or to where it is broken.

    n_on_all: so many waves there are before the order of the images is drawn; from then on they are
    done one after the other, and what is known of those drawn so far speaks for the rest.
    """

    @property
    def n_on_all(self) -> int:
        """See above; more than there are waves where nothing is ever drawn."""

    def waves(self, stages: Sequence[Stage], standing: Standing) -> Iterator[Iterable[Job]]:
        """The jobs."""


@dataclass(frozen=True)
class BreadthFirst:
    """One stage after the other, each on all that stands; Croce & Hein 2020, arXiv 2003.01690."""

    n_on_all: int = 10**6

    def waves(self, stages: Sequence[Stage], standing: Standing) -> Iterator[Iterable[Job]]:
        """See `Schedule.waves`."""
        for stage in stages:
            yield [standing.job_of(stage)]


@dataclass(frozen=True)
class Anytime:
    """The first `n_on_all` stages on all images, then one drawn image after the other to the end.

    See `eval.estimate` for what that allows to say, and `eval.boundary` for which number is best.
    n_at_once: drawn images that are attacked together. Those under way when it is enough were
    attacked for nothing; few at a time waste few, and many fill a GPU.
    """

    n_on_all: int
    n_at_once: int = 10**6

    def waves(self, stages: Sequence[Stage], standing: Standing) -> Iterator[Iterable[Job]]:
        """See `Schedule.waves`."""
        for stage in stages[: self.n_on_all]:
            yield [standing.job_of(stage)]
        yield standing.jobs_through(stages[self.n_on_all :], self.n_at_once)
