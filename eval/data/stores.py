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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eval.errors import DataError

PICTURE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


class Store(Protocol):
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
    """Files under a folder."""

    folder: Path
    names: tuple[str, ...]

    def read(self, index: int) -> bytes:
        """See `Store.read`."""
        path = self.folder / self.names[index]
        try:
            return path.read_bytes()
        except OSError as problem:
            raise DataError(f"{path} cannot be read: {problem.strerror}") from None

    def where(self, index: int) -> str:
        """See `Store.where`."""
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
    """Entries of one archive or of several."""

    names: tuple[str, ...]
    pieces: tuple[Piece, ...]

    def read(self, index: int) -> bytes:
        """See `Store.read`."""
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
        """See `Store.where`."""
        return f"{self.pieces[index].archive}: {self.names[index]}"


def is_picture(name: str) -> bool:
    """Whether a path names a picture file, and not a hidden one or a Finder's shadow."""
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts) or "__MACOSX" in parts
    return not hidden and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122


def list_folder(folder: Path) -> FolderStore:
    """All picture files under `folder`, sorted by path."""
    try:
        found = sorted(_walk(folder, ""))
    except OSError as problem:
        raise DataError(f"{problem.filename} cannot be read: {problem.strerror}") from None
    return FolderStore(folder, tuple(found))


def list_zip(path: Path) -> ArchiveStore:
    """The picture entries of a zip file, sorted by name."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            entries = sorted(
                (entry for entry in archive.infolist() if is_picture(entry.filename)),
                key=lambda entry: entry.filename,
            )
            pieces = tuple(_zip_piece(path, entry, stream.fileno()) for entry in entries)
    except (OSError, zipfile.BadZipFile, struct.error) as problem:
        raise _damaged(path, problem) from None
    return ArchiveStore(tuple(entry.filename for entry in entries), pieces)


def list_tars(paths: Sequence[Path]) -> ArchiveStore:
    """All regular entries of uncompressed tar files, in the order in which they lie there."""
    names: list[str] = []
    pieces: list[Piece] = []
    for path in paths:
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    if member.isreg() and not member.issparse():
                        names.append(member.name.removeprefix("./"))
                        pieces.append(Piece(path, member.offset_data, member.size))
        except (OSError, tarfile.TarError, EOFError) as problem:
            raise _damaged(path, problem) from None
        if pieces and pieces[-1].start + pieces[-1].size > path.stat().st_size:
            raise DataError(f"{path} is cut off inside {names[-1]}; fetch it again")
    return ArchiveStore(tuple(names), tuple(pieces))


def only(store: ArchiveStore, indices: Sequence[int]) -> ArchiveStore:
    """The store of some of the entries, in the order given."""
    return ArchiveStore(
        tuple(store.names[i] for i in indices), tuple(store.pieces[i] for i in indices)
    )


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _walk(folder / entry.name, f"{name}/")
            elif is_picture(name):
                yield name


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
