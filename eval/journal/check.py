"""Whether what lies in a journal can be true: looked at whole before a word of it is believed."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from eval.errors import JournalError
from eval.files.border import border, plain
from eval.files.limits import VARIABLE, limits
from eval.journal.key import Key, Session
from eval.journal.tables import COUNTED, TABLES, counts_text, schema, schema_of, seal_of

_HOW_OFTEN = 10_000
_MOST_COUNT = 2**53
_SESSION = re.compile(r"[0-9a-f]{16}")
_WAY_OUT = "start over with `fresh=True`, or name another file with `journal`"


@dataclass(frozen=True)
class Bounds:
    """What a run's verdicts can be of: n images, its stages, adversarial images of one shape.

    stages, shape: None where any will do.
    """

    n: int = 2**31
    stages: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None


def check(path: Path, connection: sqlite3.Connection, key: Key, bounds: Bounds) -> None:
    """Raise `JournalError`, which names `path`, unless all is as a run of `key` has left it.

    Only our tables are read, after it is known that nothing else is defined: a view of another
    could compute without end. Raises `sqlite3.Error` for what SQLite itself finds.
    """
    deadline = time.monotonic() + limits().check_seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _HOW_OFTEN)
    with border(f"journal {path}", JournalError, _WAY_OUT):
        try:
            _check_schema(path, connection)
            if connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                raise damaged(path, "its pages contradict each other")
            _check_key(path, connection, key)
            _Rows(path, connection, key, bounds).check()
        except sqlite3.Error as error:
            if time.monotonic() > deadline:
                most = limits().check_seconds
                raise JournalError(
                    f"journal {path} takes more than {most} s to look through:"
                    f" {VARIABLE}=check_seconds={10 * most} allows more; or {_WAY_OUT}"
                ) from error
            if code_of(error) == 0:  # a text that is none
                raise damaged(path, plain(str(error))) from error
            raise JournalError(explained(path, error)) from error
        finally:
            connection.set_progress_handler(None, 0)


def damaged(path: Path, why: str) -> JournalError:
    """The sentence for a journal that cannot be believed."""
    return JournalError(f"journal {path} is damaged ({why}): {_WAY_OUT}")


def explained(path: Path, error: sqlite3.Error) -> str:
    """What SQLite says, as a sentence for people."""
    cause = {
        sqlite3.SQLITE_BUSY: "is in use by another process: wait for it, or end it",
        sqlite3.SQLITE_FULL: "cannot be written, the disk is full: what was committed is safe; make"
        " room, and the same command goes on",
        sqlite3.SQLITE_NOTADB: NO_JOURNAL,
        sqlite3.SQLITE_CORRUPT: f"is damaged ({plain(str(error))}): {_WAY_OUT}",
    }.get(code_of(error), f"cannot be used ({plain(str(error))}): name another file with `journal`")
    return f"journal {path} {cause}"


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where Python raised the error itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


NO_JOURNAL = "is no journal: name another file with `journal`, or delete this one"


def _check_schema(path: Path, connection: sqlite3.Connection) -> None:
    found, wanted = schema_of(connection), schema()
    if found == wanted:
        return
    names = sorted({str(one[1]) for one in found} ^ {one[1] for one in wanted})
    names = names or sorted({str(one[1]) for one in found if one not in wanted})
    raise JournalError(
        f"journal {path} defines other tables than a journal of this version"
        f" ({plain(', '.join(names))}): it was changed or is of another version; {_WAY_OUT}"
    )


def _check_key(path: Path, connection: sqlite3.Connection, key: Key) -> None:
    rows = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchall()
    stored = json.loads(rows[0][0]) if rows else None
    if not isinstance(stored, dict):
        raise damaged(path, "it says of no run that it is that run's")
    if differences := key.differences(stored):
        raise JournalError(
            f"journal {path} is of another run ({'; '.join(differences)}): name another"
            " file with `journal`, or forget what this one holds with `fresh=True`"
        )


class _Rows:
    """Looks at every row once, and at what rows of one table say of those of another."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, key: Key, bounds: Bounds
    ) -> None:
        self._path, self._connection, self._key, self._bounds = path, connection, key, bounds

    def check(self) -> None:
        rows = {table: list(self._sound(table)) for table in TABLES if table != "images"}
        meta = {row["name"]: row["value"] for row in rows["meta"]}
        if meta.get("counts") != counts_text([len(rows[table]) for table in COUNTED]):
            raise damaged(self._path, "rows of its sessions or of what they spent are missing")
        sessions = {row["session"] for row in rows["sessions"]}
        if not {row["session"] for row in rows["spent"]} <= sessions:
            raise damaged(self._path, "it tells of a session what it spent, but not that it was")
        # The images stay where they are: they may be larger than memory.
        seen = {row["position"] for row in self._sound("images")}
        wanted = {row["position"] for row in rows["broken"]} if "keeps_images" in meta else set()
        if seen != wanted:
            raise damaged(self._path, "it does not hold an adversarial image for each broken one")

    def _sound(self, table: str) -> Iterator[dict[str, Any]]:
        found = self._connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in found.description]
        for values in found:
            row = dict(zip(names, values, strict=True))
            for name in names[:-1]:
                if not self._is_possible(name, row):
                    why = f"a row of {table} has {name} {plain(repr(row[name]), 60)}"
                    raise damaged(self._path, why)
            if values[-1] != seal_of(self._key, table, values[:-1]):
                raise damaged(self._path, f"a row of {table} was changed or invented")
            row.pop("pixels", None)
            yield row

    def _is_possible(self, column: str, row: Mapping[str, Any]) -> bool:
        value = row[column]
        match column:
            case "position":
                return type(value) is int and 0 <= value < self._bounds.n
            case "stage":
                return isinstance(value, str) and value in (self._bounds.stages or (value,))
            case "shape":
                return isinstance(value, str) and self._is_shape(value)
            case "pixels":
                return _is_image(value, json.loads(row["shape"]))
        return _POSSIBLE[column](value)

    def _is_shape(self, text: str) -> bool:
        shape = json.loads(text) if len(text) < 100 else None
        if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
            return False
        return self._bounds.shape is None or tuple(shape) == self._bounds.shape


def _is_image(pixels: object, shape: list[int]) -> bool:
    if not isinstance(pixels, bytes) or len(pixels) != 4 * math.prod(shape):
        return False
    values = np.frombuffer(pixels, np.float32)
    return bool(((values >= 0) & (values <= 1)).all())  # NaN is neither


def _is_flag(value: object) -> bool:
    return type(value) is int and value in {0, 1}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST_COUNT


def _is_time(value: object) -> bool:
    return type(value) is float and math.isfinite(value) and value >= 0


def _is_session_name(value: object) -> bool:
    return isinstance(value, str) and _SESSION.fullmatch(value) is not None


def _is_session(text: object) -> bool:
    said = json.loads(text) if isinstance(text, str) and len(text) < 5000 else None
    if not isinstance(said, dict) or said.keys() != {field.name for field in fields(Session)}:
        return False
    size, *texts = said.pop("batch_size"), *said.values()
    return (
        type(size) is int
        and size > 0
        and said["precision"] in {"fp32", "bf16"}
        and all(isinstance(t, str) and len(t) <= 200 and t.isprintable() for t in texts)
    )


_POSSIBLE: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "is_broken_8bit": _is_flag,
        "had_nan": _is_flag,
        "had_gradient": _is_flag,
        "is_right": _is_flag,
        "forwards": _is_count,
        "backwards": _is_count,
        "rejected": _is_count,
        "seconds": _is_time,
        "session": _is_session_name,
        "about": _is_session,
        "name": lambda value: value in {"key", "counts", "keeps_images"},
        "value": lambda value: isinstance(value, str),
    }
)
"""What a value of a column can be, whatever the run."""
