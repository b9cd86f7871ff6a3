"""Journals: the SQLite file of a run, which goes on from what it says."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import torch

from eval import Report, evaluate
from eval.run import Progress
from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.tiny import PGD, tiny_data, tiny_net

_FILE = "run.sqlite"
_VALUES = (
    *("NULL", "0", "1", "-1", "7", "23", "24", "9999", "9223372036854775807", "1e308", "9e999"),
    *("'x'", "''", "'pgd-2'", "'square'", "x'00ff'", "zeroblob(100000)", "'{}'", "'[]'"),
    *("'[[[[[['", "char(27) || '[2J'", "hex(zeroblob(60000))", "-0.0", "'1'", "position + 1"),
)


class Journals(Format):
    """A run of a tiny network that was stopped half-way, with the images that it broke."""

    name = "journal"
    falsified_means = (
        "the run that goes on from an accepted journal ends in other verdicts, another last"
        " iterate or other counts after rounding than without a journal, or in fewer passes than"
        " such a run needs or more than twice as many"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._net = tiny_net()
        self._data = tiny_data(self._net)

    def make(self, folder: Path) -> None:
        self._whole = evaluate(self._net, self._data, **PGD)

        def stop(progress: Progress) -> None:
            if progress.stage != "clean" and progress.done >= 6:
                raise KeyboardInterrupt

        try:
            self._run(folder, stop)
        except KeyboardInterrupt:
            return
        raise AssertionError("the run was not stopped")

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        way = rng.random()
        if way < 0.4:
            return Damage(damage_file(path, rng))
        if way < 0.5:
            return Damage(_beside(path, rng))
        done = [_by_sql(path, rng) for _ in range(rng.choice((1, 1, 2)))]
        return Damage("; ".join(done))

    def read(self, folder: Path) -> Report:
        return self._run(folder, lambda _: None)

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        return next(self._contradictions(found, original), "")

    def _contradictions(self, found: Report, resumed: Report) -> Iterator[str]:
        whole = self._whole
        if found.images != whole.images:
            yield "other verdicts"
        if found.survive_8bit != whole.survive_8bit:
            yield f"{found.survive_8bit}, it was {whole.survive_8bit}"
        for stage, most, least in zip(found.stages, resumed.stages, whole.stages, strict=True):
            if stage.last_iterate_accuracy != least.last_iterate_accuracy:
                yield f"last iterate {stage.last_iterate_accuracy}"
            for seconds in (stage.seconds, found.seconds):
                if not 0 <= seconds < 1e6:
                    yield f"{seconds} seconds"
            for field in ("forwards", "backwards", "rejected"):
                value, low, high = (
                    getattr(stage, field),
                    getattr(least, field),
                    getattr(most, field),
                )
                if not low <= value <= 2 * high:
                    yield f"{value} {field}, possible are {low} to {2 * high}"

    def _run(self, folder: Path, on_progress: Any) -> Report:
        return evaluate(
            self._net,
            self._data,
            journal=folder / _FILE,
            save_adversarial=folder / "images.safetensors",
            on_progress=on_progress,
            **PGD,
        )


def _beside(path: Path, rng: Random) -> str:
    """Damage in what SQLite keeps beside the file, or something else under its name."""
    log = path.with_name(path.name + rng.choice(("-wal", "-shm", "-journal")))
    match rng.choice(("noise", "copy", "piece", "folder", "link")):
        case "noise":
            log.write_bytes(rng.randbytes(4096))
        case "copy":
            shutil.copyfile(path, log)
        case "piece":
            log.write_bytes(damage_bytes(path.read_bytes(), rng)[0])
        case "folder":
            log.mkdir()
        case "link":
            log.symlink_to(path.name)
    return f"{log.name} put beside it"


def _by_sql(path: Path, rng: Random) -> str:
    """A change by SQLite itself, whose own checks therefore hold."""
    with closing(sqlite3.connect(path, isolation_level=None)) as base:
        try:
            found = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [name for (name,) in found]
        except sqlite3.DatabaseError as problem:
            return f"then nothing more, since {problem}"
        table = rng.choice(tables)
        columns = [row[1] for row in base.execute(f"PRAGMA table_info({table})")]
        statement = _statement(table, rng.choice(columns), columns, rng)
        try:
            base.executescript(statement)
        except sqlite3.Error as problem:
            # A constraint refused it: leave some other mark, so that no case is without damage.
            base.execute(f"CREATE TABLE more_{rng.randrange(99)} (a)")
            return f"another table, since {problem}"
    return statement[:120]


def _statement(table: str, column: str, columns: list[str], rng: Random) -> str:
    value = rng.choice(_VALUES)
    if "position +" in value and "position" not in columns:
        value = "-5"
    some = f"rowid IN (SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {rng.randrange(4)})"
    other = ", ".join(f"{value} AS {name}" if name == column else name for name in columns)
    return rng.choice(
        (
            *[f"UPDATE {table} SET {column} = {value} WHERE {some}"] * 5,
            f"UPDATE {table} SET {column} = {value}",
            f"DELETE FROM {table} WHERE {some}",
            f"DELETE FROM {table}",
            f"INSERT INTO {table} SELECT {other} FROM {table} LIMIT 1",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} RENAME TO was; CREATE VIEW {table} AS SELECT * FROM was",
            f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
            f"ALTER TABLE {table} ADD COLUMN more TEXT DEFAULT {value if value != 'NULL' else 1}",
            f"DROP TABLE {table}; CREATE VIEW {table} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
            f" SELECT i + 1 FROM n) SELECT {', '.join(f'i AS {name}' for name in columns)} FROM n",
            f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM broken; END",
            "CREATE TABLE more (a)",
            f"DROP TABLE {table}; CREATE TABLE {table} ({', '.join(columns)})",
            "PRAGMA application_id = 1",
            "PRAGMA user_version = 99; PRAGMA encoding = 'UTF-16'",
            "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE x(y'",
            "PRAGMA journal_mode = DELETE; VACUUM",
        )
    )
