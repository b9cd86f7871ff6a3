"""Backlogs for the tests of them."""

from eval.executors.base import Job, Survived
from eval.executors.cluster.backlog import Backlog
from eval.stage import Stage

STAGES = tuple(Stage(name=name, attack="pgd", steps=1) for name in ("one", "two", "three"))


def never_ends(_: Stage) -> bool:
    return False


def always_ends(_: Stage) -> bool:
    return True


def job(n: int, start: int = 0, stages: tuple[Stage, ...] = STAGES[:1], size: int = 8) -> Job:
    return Job(stages, tuple(range(start, start + n)), size)


def backlog_of(*jobs: Job, workers: int = 1, size: int = 8, least: int = 1) -> Backlog:
    made = Backlog(jobs, never_ends)
    for worker in range(workers):
        made.join(worker, size, least)
    return made


def given(backlog: Backlog, worker: int) -> list[int]:
    return [position for one in backlog.jobs_for(worker) for position in one.positions]


def survive(backlog: Backlog, worker: int, *positions: int, stage: str = "one") -> list[bool]:
    return [backlog.told(worker, Survived(stage, p)) is not None for p in positions]


def finished_by(backlog: Backlog, worker: int, stage: str = "one") -> list[int]:
    """All that is left, done by one worker."""
    done = list[int]()
    while not backlog.is_done:
        some = given(backlog, worker)
        assert all(survive(backlog, worker, *some, stage=stage))
        done += some
    return done
