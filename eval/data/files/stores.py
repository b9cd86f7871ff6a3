"""Where the bytes of picture files lie: folders, zip and tar archives; each read at random.

A store opens its file for each read and keeps no handle, so worker processes and threads can
share one. Sizes of 50,000 entries are listed in seconds.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from eval.data.files.entries import Entry, Passed, is_hidden, is_system, sort_out
from eval.data.files.packed import (
    Piece,
    is_plain_file,
    read_piece,
    refuse_twice,
    tar_members,
    zip_pieces,
)
from eval.errors import DataError
from eval.files.border import LONGEST_PATH, border, open_regular, plain, read_bytes
from eval.files.limits import check

_AGAIN = "fetch it again"
_NOT_AN_ARCHIVE = "it is damaged or not the archive its name says; fetch it again"


class PictureStore(Protocol):
    """Picture files by index."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their paths inside the store, with forward slashes."""

    def read(self, index: int) -> bytes:
        """The bytes of one file. Raises DataError, naming it, when it cannot be read."""

    def where(self, index: int) -> str:
        """The file for people: its path, or the archive's path and the entry."""


@dataclass(frozen=True)
class FolderStore:
    """Files under a folder; `passed` is what was passed over there."""

    folder: Path
    names: tuple[str, ...]
    passed: tuple[Passed, ...] = ()

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        with border(self.where(index), DataError, "replace or remove it"):
            return read_bytes(self.folder / self.names[index], "picture_bytes")

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        return plain(str(self.folder / self.names[index]), LONGEST_PATH)


@dataclass(frozen=True)
class ArchiveStore:
    """Entries of one archive or of several; `passed` is what was passed over there."""

    names: tuple[str, ...]
    pieces: tuple[Piece, ...]
    passed: tuple[Passed, ...] = ()

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        with border(self.where(index), DataError, _AGAIN):
            return read_piece(self.pieces[index], "picture_bytes")

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        return plain(f"{self.pieces[index].archive}: {self.names[index]}", LONGEST_PATH)


def list_folder(folder: Path, is_read: Callable[[str], bool] = lambda _: False) -> FolderStore:
    """All picture files under `folder`, sorted by path; `is_read` is that of `sort_out`."""
    with border(folder, DataError, "allow it, or name another folder"):
        entries = sorted(_counted(_walk(folder, "", ())), key=lambda entry: entry.name)
    chosen, passed = sort_out(entries, is_read)
    return FolderStore(folder, tuple(entries[i].name for i in chosen), passed)


def list_zip(path: Path) -> ArchiveStore:
    """The picture entries of a zip file, sorted by name."""
    passed: tuple[Passed, ...] = ()

    def choose(names: Sequence[str]) -> list[int]:
        nonlocal passed
        chosen, passed = sort_out([_zip_entry(name) for name in names])
        return chosen

    with border(path, DataError, _NOT_AN_ARCHIVE):
        found = zip_pieces(path, choose)
    return ArchiveStore(tuple(found), tuple(found.values()), passed)


def list_tars(
    paths: Sequence[Path], is_read: Callable[[str], bool] = lambda _: False
) -> ArchiveStore:
    """All regular entries of uncompressed tar files but a system's, in the order they lie there.

    is_read: that of `sort_out`; what is no picture and not read is told in `passed`.
    """
    names: list[str] = []
    pieces: list[Piece] = []
    entries: list[Entry] = []
    for path in paths:
        first = len(names)
        with border(path, DataError, _NOT_AN_ARCHIVE), open_regular(path) as file:
            for member in tar_members(file, to_the_end=True):
                entry = _tar_entry(member)
                entries.append(entry)
                if entry.kind == "file" and not is_system(entry.name):
                    names.append(entry.name)
                    pieces.append(Piece(path, member.offset_data, member.size, member.size))
            refuse_twice(names[first:])
            if pieces and pieces[-1].start + pieces[-1].size > os.fstat(file.fileno()).st_size:
                raise ValueError(f"it is cut off inside {plain(names[-1])}")
    return ArchiveStore(tuple(names), tuple(pieces), sort_out(entries, is_read)[1])


def only(store: ArchiveStore, indices: Sequence[int]) -> ArchiveStore:
    """The store of some of the entries, in the order given."""
    return replace(
        store,
        names=tuple(store.names[i] for i in indices),
        pieces=tuple(store.pieces[i] for i in indices),
    )


def _counted(entries: Iterator[Entry]) -> Iterator[Entry]:
    for n, entry in enumerate(entries, 1):
        check("members", n, "files and folders")
        yield entry


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    """Everything under `folder`, not looking into what is hidden or a system's.

    above: which folders it lies in. A link to one of them would be looked into without end.
    """
    about = folder.stat()
    this = (about.st_dev, about.st_ino)
    if this in above:
        raise ValueError(f"{plain(prefix)} links to a folder that it lies in")
    with os.scandir(folder) as found:
        for one in found:
            name = f"{prefix}{one.name}"
            if is_system(one.name):
                continue
            if one.is_dir():
                yield Entry(name, "folder")
                if not is_hidden(one.name):
                    yield from _walk(folder / one.name, f"{name}/", (*above, this))
            else:
                # A link to nothing stays a file, so that reading it names it.
                yield Entry(name, "file" if one.is_file() or one.is_symlink() else "special")


def _zip_entry(name: str) -> Entry:
    return Entry(name.rstrip("/"), "folder" if name.endswith("/") else "file")


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    name = member.name.removeprefix("./")
    if member.isdir():
        return Entry("" if name == "." else name, "folder")
    return Entry(name, "file" if is_plain_file(member) else "special")
