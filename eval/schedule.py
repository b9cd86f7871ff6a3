"""The order in which a run's work is done: a schedule is a sequence of jobs.

Verdicts do not depend on it. The next job is asked for when all events of the last were taken, so
that a schedule sees what still stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from eval.executors.base import Job
from eval.stage import Stage


class Standing(Protocol):
    """What a schedule sees of a run."""

    def job_of(self, stage: Stage) -> Job:
        """What is left of `stage`, of the images that stand now."""


Schedule = Callable[[Sequence[Stage], Standing], Iterator[Job]]
"""Stages and a view of the run -> the jobs that bring every image through every stage, or to where
it is broken."""


def breadth_first(stages: Sequence[Stage], standing: Standing) -> Iterator[Job]:
    """One stage after the other, each on all that stands; Croce & Hein 2020, arXiv 2003.01690."""
    for stage in stages:
        yield standing.job_of(stage)
