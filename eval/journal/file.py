"""The SQLite file of a journal: opened, locked, and checked to be of the run that it is opened for.

Written ahead (WAL) and flushed at each commit: whoever is killed, or loses power, leaves a file
with all that was committed. The lock is the operating system's, so a killed process leaves none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eval.errors import JournalError
from eval.files.writing import check_writable
from eval.journal.key import Key

Statement = tuple[str, tuple[object, ...]]

_OURS = 0x5A4F4F31
"""Kept in the file's header, so that the data base of another program is never touched."""

_TABLES = {
    "meta": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "sessions": "name TEXT PRIMARY KEY, about TEXT NOT NULL, seconds REAL NOT NULL",
    "broken": "position INTEGER PRIMARY KEY, stage TEXT NOT NULL, is_broken_8bit INTEGER NOT NULL,"
    " had_nan INTEGER NOT NULL",
    "survived": "stage TEXT, position INTEGER, had_gradient INTEGER NOT NULL,"
    " had_nan INTEGER NOT NULL, PRIMARY KEY (stage, position)",
    "ended": "stage TEXT, position INTEGER, is_right INTEGER, PRIMARY KEY (stage, position)",
    "spent": "stage TEXT, session TEXT, seconds REAL, forwards INTEGER, backwards INTEGER,"
    " rejected INTEGER, PRIMARY KEY (stage, session)",
    "images": "position INTEGER PRIMARY KEY, shape TEXT NOT NULL, pixels BLOB NOT NULL",
}

_CAUSES = {
    sqlite3.SQLITE_BUSY: "is in use by another process: wait for it, or end it",
    sqlite3.SQLITE_FULL: "cannot be written, the disk is full: what was committed is safe; make"
    " room, and the same command goes on",
    sqlite3.SQLITE_NOTADB: "is no journal: name another file with `journal`, or delete this one",
    sqlite3.SQLITE_CORRUPT: "is damaged: start over with `fresh=True`",
}


class _Damaged(sqlite3.DatabaseError):
    """A damage that SQLite would have run into later."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class JournalFile:
    """The file at `path`, locked, of the run `key`; empty when it was not there.

    keeps_images: adversarial images will be kept; true also where the file holds some already.
    fresh: forget what the file holds, also if it is damaged.

    Raises `JournalError` if another process has the file, it is damaged, no journal, of another
    run, or lacks the images; `ReportError` if the folder is not there or cannot be written.
    """

    def __init__(self, path: Path, key: Key, *, keeps_images: bool, fresh: bool) -> None:
        check_writable(path, "journal")
        self.path = path
        try:
            try:
                self._open(key, keeps_images, fresh)
            except sqlite3.DatabaseError as error:
                if not fresh or _code(error) != sqlite3.SQLITE_CORRUPT:
                    raise
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                self._open(key, keeps_images, fresh)
        except sqlite3.Error as error:
            raise self.explained(error) from error

    def read(self, sql: str, *values: object) -> list[Any]:
        """The rows that a query gives."""
        return self._connection.execute(sql, values).fetchall()

    def write(self, statements: Iterable[Statement]) -> None:
        """Commit `statements`, all or none. Raises `sqlite3.Error`, see `explained`."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._connection.execute(sql, values)

    def close(self) -> None:
        """Let go of the file; the log of writes is merged into it."""
        self._connection.close()

    def explained(self, error: sqlite3.Error) -> JournalError:
        """What SQLite says, as a sentence for people."""
        other = f"cannot be used ({error}): name another file with `journal`"
        return JournalError(f"journal {self.path} {_CAUSES.get(_code(error), other)}")

    def _open(self, key: Key, keeps_images: bool, fresh: bool) -> None:
        # No wait for a lock: whoever holds it holds it for hours. The writing thread is ours.
        self._connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                self.read(f"PRAGMA {setting}")
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._settle(key, fresh)
                self.keeps_images = self._settle_images(keeps_images)
        except BaseException:
            self._connection.close()
            raise

    def _settle(self, key: Key, fresh: bool) -> None:
        """Find that the file is of the run `key`, or make it so."""
        has_tables = bool(self.read("SELECT name FROM sqlite_master"))
        if has_tables and self.read("PRAGMA application_id") != [(_OURS,)]:
            raise JournalError(
                f"{self.path} is the data base of another program: name another file with `journal`"
            )
        if not has_tables or fresh:
            self._make_tables(key)
            return
        if self.read("PRAGMA quick_check") != [("ok",)]:
            raise _Damaged("quick_check")
        ((stored,),) = self.read("SELECT value FROM meta WHERE name = 'key'")
        if differences := key.differences(json.loads(stored)):
            raise JournalError(
                f"journal {self.path} is of another run ({'; '.join(differences)}): name another"
                " file with `journal`, or forget what this one holds with `fresh=True`"
            )

    def _make_tables(self, key: Key) -> None:
        self.read(f"PRAGMA application_id = {_OURS}")
        for name, columns in _TABLES.items():
            self.read(f"DROP TABLE IF EXISTS {name}")
            self.read(f"CREATE TABLE {name} ({columns})")
        self.read("INSERT INTO meta VALUES ('key', ?)", key.to_json())

    def _settle_images(self, wanted: bool) -> bool:
        """Whether images are kept; a file that has begun to keep them goes on."""
        if self.read("SELECT 1 FROM meta WHERE name = 'keeps_images'"):
            return True
        ((n_broken,),) = self.read("SELECT count(*) FROM broken")
        if wanted and n_broken:
            raise JournalError(
                f"journal {self.path} holds {n_broken} broken images by verdict only: start over"
                " with `fresh=True` to save the adversarial images, or leave `save_adversarial` out"
            )
        if wanted:
            self.read("INSERT INTO meta VALUES ('keeps_images', 'yes')")
        return wanted


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where Python raised the error itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
