"""A journal with something of everything, and how it is damaged and looked at."""

import sqlite3
from contextlib import closing
from pathlib import Path

import torch

from eval.executors.base import Broken, Ended, Spent, Survived
from eval.journal.check import Bounds
from eval.journal.journal import Journal
from eval.journal.key import Key, Session
from eval.journal.known import Known

KEY = Key(*"abcdefghi", seed=0, engine="fast", precision="auto")
SESSION = Session(device="cpu", precision="fp32", torch="2.5", version="0.1", batch_size=8)
BOUNDS = Bounds(n=10, stages=("pgd-5", "square"), shape=(1, 2, 2))
STAGES = ("pgd-5", "square")


def written(path: Path, **options: bool) -> Path:
    """A journal with rows in all tables that it can have."""
    with Journal(path, KEY, bounds=BOUNDS, **options) as journal:
        journal.begin(SESSION)
        for position in range(4):
            journal.add(Broken("pgd-5", position, torch.full((1, 2, 2), 0.5), position > 1))
            journal.add(Ended("pgd-5", position, is_right=False))
        journal.add(Survived("pgd-5", 4, had_gradient=False))
        journal.add(Survived("square", 4, had_nan=True))
        journal.add(Spent("pgd-5", seconds=0.5, forwards=10, backwards=9, rejected=1))
    return path


def recalled(path: Path) -> tuple[list[Known], list[Session], float, list[int]]:
    with Journal(path, KEY, bounds=BOUNDS) as journal:
        known = [journal.recall(stage) for stage in STAGES]
        return known, journal.sessions, journal.seconds, sorted(journal.images())


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA writable_schema=ON")
        for statement in statements:
            file.execute(statement)


def beside(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}
