"""What a journal's file holds: the tables, and the seal that each row carries.

A seal is of the row and of the run. It finds what a disk, a copy or a hand has changed or invented;
it keeps nobody out who reads this file and computes a new one. A row that is gone is not found,
nor need it be: an image without a verdict is attacked again. Of sessions and of what was spent,
which are not found out again, the numbers are kept.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from types import MappingProxyType

from eval.journal.key import Key

Statement = tuple[str, tuple[object, ...]]
Value = str | int | float | bytes

OURS = 0x5A4F4F31
"""Kept in the file's header, so that the data base of another program is never touched."""

PAGE = 4096
"""Bytes of a page, of which a file is made."""

_MOST_VALUES = 900
"""In one statement; older versions of SQLite take 999."""

MAGIC = b"SQLite format 3\0"
WRITTEN_AHEAD = b"\2\2"
"""The header's bytes 18 and 19: changes go to a log (WAL) beside the file first."""

TABLES = MappingProxyType(
    {
        "meta": "name TEXT PRIMARY KEY, value TEXT NOT NULL, seal BLOB NOT NULL",
        "sessions": "session TEXT PRIMARY KEY, about TEXT NOT NULL, seconds REAL NOT NULL,"
        " seal BLOB NOT NULL",
        "broken": "position INTEGER PRIMARY KEY, stage TEXT NOT NULL,"
        " is_broken_8bit INTEGER NOT NULL, had_nan INTEGER NOT NULL, seal BLOB NOT NULL",
        "survived": "stage TEXT, position INTEGER, had_gradient INTEGER NOT NULL,"
        " had_nan INTEGER NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (stage, position)",
        "ended": "stage TEXT, position INTEGER, is_right INTEGER NOT NULL, seal BLOB NOT NULL,"
        " PRIMARY KEY (stage, position)",
        "spent": "stage TEXT, session TEXT, seconds REAL NOT NULL, forwards INTEGER NOT NULL,"
        " backwards INTEGER NOT NULL, rejected INTEGER NOT NULL, seal BLOB NOT NULL,"
        " PRIMARY KEY (stage, session)",
        "images": "position INTEGER PRIMARY KEY, shape TEXT NOT NULL, pixels BLOB NOT NULL,"
        " seal BLOB NOT NULL",
    }
)
COUNTED = ("sessions", "spent")
"""Tables whose number of rows `meta` tells."""


def seal_of(key: Key, table: str, values: Sequence[object]) -> bytes:
    """Eight bytes that another row, or the same one of another run or table, would not have."""
    seal = hashlib.blake2b(digest_size=8, key=key.sha256)
    rest = [["bytes", len(value)] if isinstance(value, bytes) else value for value in values]
    seal.update(json.dumps([table, *rest]).encode())
    for value in values:
        if isinstance(value, bytes):
            seal.update(value)
    return seal.digest()


def put(key: Key, table: str, *values: Value) -> Statement:
    """What puts a row into `table`, sealed; floats where the column is REAL."""
    places = ", ".join("?" for _ in range(len(values) + 1))
    return (f"REPLACE INTO {table} VALUES ({places})", (*values, seal_of(key, table, values)))


def together(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The same rows in fewer statements, those of each table in their order.

    Between two statements a thread waits for the interpreter, 5 ms where another one has much to
    do: a journal of one statement a row would fall behind a driver that takes thousands a second.
    """
    rows: dict[str, list[tuple[object, ...]]] = {}
    for sql, values in statements:
        rows.setdefault(sql, []).append(values)
    for sql, every in rows.items():
        places = sql[sql.index("(") :]
        at_once = max(1, _MOST_VALUES // len(every[0]))
        for start in range(0, len(every), at_once):
            some = every[start : start + at_once]
            yield f"{sql}{f', {places}' * (len(some) - 1)}", tuple(v for row in some for v in row)


def counts_text(counts: Sequence[int]) -> str:
    """The numbers of rows of the `COUNTED` tables, as `meta` keeps them."""
    return json.dumps(dict(zip(COUNTED, counts, strict=True)))


def blank(key: Key) -> bytes:
    """The file of a journal of the run `key` that holds nothing yet."""
    with closing(_empty()) as made:
        for statement in (
            put(key, "meta", "key", key.to_json()),
            put(key, "meta", "counts", counts_text([0] * len(COUNTED))),
        ):
            made.execute(*statement)
        content = bytearray(made.serialize())
    content[18:20] = WRITTEN_AHEAD
    return bytes(content)


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str, str, str | None]]:
    """Type, name, table and text of whatever a data base defines, or of the first hundred."""
    asked = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 100"
    return sorted(connection.execute(asked).fetchall(), key=repr)


@lru_cache(maxsize=1)
def schema() -> list[tuple[str, str, str, str | None]]:
    """What a journal defines, and nothing else."""
    with closing(_empty()) as made:
        return schema_of(made)


def _empty() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute(f"PRAGMA page_size = {PAGE}")
    made.execute(f"PRAGMA application_id = {OURS}")
    for name, columns in TABLES.items():
        made.execute(f"CREATE TABLE {name} ({columns})")
    return made
