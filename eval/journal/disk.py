"""What lies on the disk under a journal's name, looked at before SQLite sees it.

SQLite would carry out what a log beside a file says, and make an empty or a short file its own.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from eval.errors import JournalError
from eval.journal.check import NO_JOURNAL
from eval.journal.tables import MAGIC, OURS, WRITTEN_AHEAD

Place = tuple[int, int]
"""The device and the number of a file there: the same for all names that lead to it."""

_LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_IN_USE = "is in use by another process: wait for it, or end it"

HELD = set[Place]()
"""Files that this process has open. To open and close one again would let go of its lock, which
the operating system keeps for a process and not for a descriptor."""


@dataclass(frozen=True)
class OnDisk:
    """The file that `path` leads to, and those that SQLite keeps beside it."""

    path: Path

    @property
    def real(self) -> Path:
        """The file itself, at the end of all links."""
        return Path(os.path.realpath(self.path))

    @property
    def log(self) -> Path:
        """Where commits are first."""
        return self.beside("-wal")

    @property
    def index(self) -> Path:
        """The log's index, which only readers without the lock need."""
        return self.beside("-shm")

    def beside(self, end: str) -> Path:
        """The file's name, and `end`."""
        return self.real.with_name(self.real.name + end)

    def size(self) -> int:
        """Bytes that are there; 0 for none. Raises `JournalError` for what no journal can have."""
        for file in (self.real, self.log, self.index):
            if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
                raise self.refused(
                    f"is no journal ({file.name} is no regular file): name another file with"
                    " `journal`"
                )
        other = self.beside("-journal")  # which SQLite would carry out
        foreign = other if os.path.lexists(other) else self.log
        if foreign == other or not _could_be_log(foreign):
            raise self.refused(
                f"has a file beside it that is none of a journal's, {foreign.name}: name another"
                " file with `journal`, or move that one away"
            )
        if place_of(self.real) in HELD:
            raise self.in_use()
        return self.real.stat().st_size if self.real.exists() else 0

    def check_ours(self) -> None:
        """Raise `JournalError` if the file's first bytes are not those of a journal of ours."""
        with self.real.open("rb") as file:
            header = file.read(100)
        if len(header) < 100 or not header.startswith(MAGIC):
            raise self.refused(NO_JOURNAL)
        if header[68:72] != OURS.to_bytes(4, "big") or header[18:20] != WRITTEN_AHEAD:
            raise JournalError(
                f"{self.path} is the data base of another program: name another file with `journal`"
            )

    def clear(self) -> None:
        """Delete what an earlier file of the name has left beside it."""
        for file in (self.log, self.index):
            file.unlink(missing_ok=True)

    def looks(self) -> list[tuple[int, ...]]:
        """What changes when somebody writes."""
        found: list[tuple[int, ...]] = []
        for file in (self.real, self.log):
            about = file.stat() if file.exists() else None
            if about is not None and about.st_size > 0:
                found.append((about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns))
        return found

    def refused(self, why: str) -> JournalError:
        """The sentence that begins with the journal's name."""
        return JournalError(f"journal {self.path} {why}")

    def in_use(self) -> JournalError:
        """The sentence for a file that somebody else writes to."""
        return self.refused(_IN_USE)


def place_of(path: Path) -> Place | None:
    """Of what the path leads to now."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _could_be_log(path: Path) -> bool:
    """Whether the file is absent, a log of SQLite's, or one of which a power cut left nothing."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        start = file.read(4)
    return start in _LOG_MAGIC or len(start) < 4 or not any(start)
