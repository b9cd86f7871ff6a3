"""The SQLite file of a journal: looked at, locked, and only then taken for what it says it is.

Written ahead (WAL) and flushed at each commit: whoever is killed, or loses power, leaves a file
with all that was committed. The lock is the operating system's, so a killed process leaves none.
A file that is no journal of ours is not written to, nor is anything made beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.errors import JournalError
from eval.files.writing import check_writable, claim, create_file, replace_file, temporary_name
from eval.journal.check import Bounds, check, code_of, damaged, explained
from eval.journal.disk import HELD, OnDisk, place_of
from eval.journal.key import Key
from eval.journal.tables import (
    COUNTED,
    PAGE,
    WRITTEN_AHEAD,
    Statement,
    Value,
    blank,
    counts_text,
    put,
    together,
)

_LOST = list[sqlite3.Connection]()
"""Of files that were taken away. To close one would delete, by its name, the log of whatever
took its place."""


class JournalFile:
    """The file at `path`, locked, of the run `key`; empty when it was not there, or has no byte.

    bounds: what it can hold. keeps_images: adversarial images will be kept; true also where the
    file holds some already. fresh: forget what the file holds, also if it is damaged.

    Raises `JournalError` if another process has the file, it is damaged, no journal, of another
    run, or lacks the images; `ReportError` if the folder is not there or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        key: Key,
        *,
        keeps_images: bool,
        fresh: bool,
        bounds: Bounds | None = None,
    ) -> None:
        check_writable(path, "journal")
        self.path, self._key = path, key
        self._disk = OnDisk(path)
        self._rescued: Path | None = None
        try:
            if self._disk.size() == 0:
                self._begin()
            else:
                self._disk.check_ours()
                if fresh:
                    self._begin_again()
            seen = self._look(bounds or Bounds())
            self._take(seen)
            try:
                self.keeps_images = self._settle_images(keeps_images)
            except BaseException:
                self.close()
                raise
        except sqlite3.Error as error:
            raise JournalError(explained(path, error)) from error
        except OSError as error:
            raise self._disk.refused(
                f"cannot be used ({error.strerror or error}): name another file with `journal`"
            ) from error

    def read(self, sql: str, *values: object) -> list[Any]:
        """The rows that a query gives."""
        return self._connection.execute(sql, values).fetchall()

    def put(self, table: str, *values: Value) -> Statement:
        """What puts a row into `table`, for `write`."""
        return put(self._key, table, *values)

    def write(self, statements: Iterable[Statement]) -> None:
        """Commit `statements`, all or none.

        Raises `sqlite3.Error`, see `explained`, if that failed; `JournalError` if it did not, but
        somebody has taken the file away: where all that was committed lies now.
        """
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for sql, values in together(statements):
                self._connection.execute(sql, values)
            ((*counts,),) = self.read(f"SELECT {', '.join(map(_count, COUNTED))}")
            self._connection.execute(*self.put("meta", "counts", counts_text(counts)))
        if place_of(self._disk.real) != self._place:
            raise self._rescue()
        if place_of(self._disk.log) != self._log:  # deleted alone: then without one
            self.read("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file; the log of writes is merged into it. Raises as `write` does."""
        if self._connection in _LOST:
            return
        HELD.discard(self._place)
        if place_of(self._disk.real) == self._place:
            self._connection.close()
            return
        error = self._rescue()
        _LOST.append(self._connection)
        raise error

    def explained(self, error: sqlite3.Error) -> JournalError:
        """What SQLite says, as a sentence for people."""
        return JournalError(explained(self.path, error))

    def _begin(self) -> None:
        """Make the file whole, before SQLite sees it: it is a journal of ours at any moment."""
        self._disk.clear()
        # One without a byte was made for us, as by mktemp: nothing is lost with it.
        if self._disk.real.exists():
            replace_file(self._disk.real, blank(self._key))
            return
        with contextlib.suppress(FileExistsError):  # another process was quicker: see who it is
            create_file(self._disk.real, blank(self._key))

    def _begin_again(self) -> None:
        with closing(self._connected("rw")) as lock:
            try:
                lock.execute("PRAGMA locking_mode=EXCLUSIVE")
                lock.execute("SELECT count(*) FROM sqlite_master").fetchall()
            except sqlite3.Error as error:
                if code_of(error) == sqlite3.SQLITE_BUSY:
                    raise  # whatever else is wrong is forgotten
            # First the log: with it, the new file would be what the old one was.
            self._disk.clear()
            replace_file(self._disk.real, blank(self._key))

    def _connected(self, mode: str) -> sqlite3.Connection:
        # No wait for a lock: whoever holds it holds it for hours. The writing thread is ours.
        connection = sqlite3.connect(
            f"{self._disk.real.as_uri()}?mode={mode}",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        for setting in ("trusted_schema=OFF", "cell_size_check=ON"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _look(self, bounds: Bounds) -> list[tuple[int, ...]]:
        """Check what the file holds without writing a byte; returns what it looked like."""
        seen = self._disk.looks()
        has_log = self._disk.log.exists() and self._disk.log.stat().st_size > 0
        had_index = self._disk.index.exists()
        if not has_log and self._disk.real.stat().st_size % PAGE:
            raise damaged(self.path, "it was cut short")
        # Without a log nothing needs to be made beside the file, not even to read it.
        with closing(self._connected("ro" if has_log else "ro&immutable=1")) as connection:
            try:
                check(self.path, connection, self._key, bounds)
            finally:
                if not had_index:
                    self._disk.index.unlink(missing_ok=True)
        return seen

    def _take(self, seen: list[tuple[int, ...]]) -> None:
        """Lock the file, if it is still the one that was looked at."""
        self._connection = self._connected("rw")
        try:
            for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                self.read(f"PRAGMA {setting}")
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                if self._disk.looks() != seen:
                    raise self._disk.in_use()
        except BaseException:
            self._connection.close()
            raise
        about = self._disk.real.stat()
        self._place, self._log = (about.st_dev, about.st_ino), place_of(self._disk.log)
        HELD.add(self._place)

    def _settle_images(self, wanted: bool) -> bool:
        """Whether images are kept; a file that has begun to keep them goes on."""
        if self.read("SELECT 1 FROM meta WHERE name = 'keeps_images'"):
            return True
        ((n_broken,),) = self.read("SELECT count(*) FROM broken")
        if wanted and n_broken:
            raise self._disk.refused(
                f"holds {n_broken} broken images by verdict only: start over with `fresh=True` to"
                " save the adversarial images, or leave `save_adversarial` out"
            )
        if wanted:
            self.write([self.put("meta", "keeps_images", "yes")])
        return wanted

    def _rescue(self) -> JournalError:
        """Write all that is known to where the file was, or beside what is there now."""
        fresh = temporary_name(self._disk.real)
        try:
            self._connection.execute("VACUUM INTO ?", (str(fresh),))
            with fresh.open("r+b") as file:
                file.seek(18)
                file.write(WRITTEN_AHEAD)
                file.flush()
                os.fsync(file.fileno())
            if self._rescued is None:
                self._rescued = self._claimed(fresh)
            else:
                fresh.replace(self._rescued)
        except (OSError, sqlite3.Error) as error:
            return self._disk.refused(
                f"was deleted or replaced while it was in use, and what it held cannot be written"
                f" again ({error}): it is lost; make room, and start again"
            )
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
        where = "there again: the same command goes on"
        if self._rescued != self._disk.real:
            where = f"in {self._rescued}: go on from it with `journal`"
        return self._disk.refused(
            f"was deleted or replaced while it was in use; all it held is {where}"
        )

    def _claimed(self, fresh: Path) -> Path:
        number = 0
        while True:
            target = self._disk.beside(f".rescued{number or ''}") if number else self._disk.real
            if not os.path.lexists(target):
                with contextlib.suppress(FileExistsError):
                    if target == self._disk.real:
                        self._disk.clear()
                    claim(fresh, target)
                    return target
            number += 1


def _count(table: str) -> str:
    return f"(SELECT count(*) FROM {table})"
