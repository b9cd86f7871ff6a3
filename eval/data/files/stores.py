"""Where the bytes of picture files lie: folders, zip and tar archives; each read at random.

A store opens its file for each read and keeps no handle, so worker processes and threads can
share one. Sizes of 50,000 entries are listed in seconds.
"""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from eval.data.files.entries import Entry, Passed, is_hidden, is_system, sort_out
from eval.errors import DataError


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
        path = self.folder / self.names[index]
        try:
            return path.read_bytes()
        except OSError as problem:
            raise DataError(f"{path} cannot be read: {problem.strerror}") from None

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        return str(self.folder / self.names[index])


@dataclass(frozen=True)
class Piece:
    """Where one entry lies in an archive."""

    archive: Path
    start: int
    size: int
    crc: int | None = None
    is_deflated: bool = False


@dataclass(frozen=True)
class ArchiveStore:
    """Entries of one archive or of several; `passed` is what was passed over there."""

    names: tuple[str, ...]
    pieces: tuple[Piece, ...]
    passed: tuple[Passed, ...] = ()

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        piece = self.pieces[index]
        try:
            with piece.archive.open("rb") as stream:
                stream.seek(piece.start)
                data = stream.read(piece.size)
            if piece.is_deflated:
                data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
        except (OSError, zlib.error) as problem:
            raise DataError(f"{self.where(index)} cannot be read: {problem}") from None
        if piece.crc is not None and zlib.crc32(data) != piece.crc:
            raise DataError(f"{self.where(index)} is damaged: its checksum differs; fetch it again")
        return data

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        return f"{self.pieces[index].archive}: {self.names[index]}"


def list_folder(folder: Path, is_read: Callable[[str], bool] = lambda _: False) -> FolderStore:
    """All picture files under `folder`, sorted by path; `is_read` is that of `sort_out`."""
    try:
        entries = sorted(_walk(folder, ""), key=lambda entry: entry.name)
    except OSError as problem:
        raise DataError(f"{problem.filename} cannot be read: {problem.strerror}") from None
    chosen, passed = sort_out(entries, is_read)
    return FolderStore(folder, tuple(entries[i].name for i in chosen), passed)


def list_zip(path: Path) -> ArchiveStore:
    """The picture entries of a zip file, sorted by name."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
            chosen, passed = sort_out([_zip_entry(info) for info in infos])
            pieces = tuple(_zip_piece(path, infos[i], stream.fileno()) for i in chosen)
    except (OSError, zipfile.BadZipFile, struct.error) as problem:
        raise _damaged(path, problem) from None
    return ArchiveStore(tuple(infos[i].filename for i in chosen), pieces, passed)


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
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    entry = _tar_entry(member)
                    entries.append(entry)
                    if entry.kind == "file" and not is_system(entry.name):
                        names.append(entry.name)
                        pieces.append(Piece(path, member.offset_data, member.size))
        except (OSError, tarfile.TarError, EOFError) as problem:
            raise _damaged(path, problem) from None
        if pieces and pieces[-1].start + pieces[-1].size > path.stat().st_size:
            raise DataError(f"{path} is cut off inside {names[-1]}; fetch it again")
    return ArchiveStore(tuple(names), tuple(pieces), sort_out(entries, is_read)[1])


def only(store: ArchiveStore, indices: Sequence[int]) -> ArchiveStore:
    """The store of some of the entries, in the order given."""
    return replace(
        store,
        names=tuple(store.names[i] for i in indices),
        pieces=tuple(store.pieces[i] for i in indices),
    )


def _walk(folder: Path, prefix: str) -> Iterator[Entry]:
    """Everything under `folder`, not looking into what is hidden or a system's."""
    with os.scandir(folder) as found:
        for one in found:
            name = f"{prefix}{one.name}"
            if is_system(one.name):
                continue
            if one.is_dir():
                yield Entry(name, "folder")
                if not is_hidden(one.name):
                    yield from _walk(folder / one.name, f"{name}/")
            else:
                # A link to nothing stays a file, so that reading it names it.
                yield Entry(name, "file" if one.is_file() or one.is_symlink() else "special")


def _zip_entry(info: zipfile.ZipInfo) -> Entry:
    return Entry(info.filename.rstrip("/"), "folder" if info.is_dir() else "file")


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    name = member.name.removeprefix("./")
    if member.isdir():
        return Entry("" if name == "." else name, "folder")
    return Entry(name, "file" if member.isreg() and not member.issparse() else "special")


def _zip_piece(path: Path, entry: zipfile.ZipInfo, file: int) -> Piece:
    if entry.flag_bits & 1:
        raise zipfile.BadZipFile(f"{entry.filename} is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise zipfile.BadZipFile(f"{entry.filename} has compression {entry.compress_type}")
    # The local header repeats the name and has extra fields of its own length: read both lengths.
    header = os.pread(file, 30, entry.header_offset)
    n_name, n_extra = struct.unpack("<HH", header[26:30])
    start = entry.header_offset + 30 + n_name + n_extra
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return Piece(path, start, entry.compress_size, entry.CRC, is_deflated)


def _damaged(path: Path, problem: Exception) -> DataError:
    return DataError(f"{path} is damaged or not the archive its name says ({problem})")
