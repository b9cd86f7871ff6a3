"""Bytes out of zip and tar archives, within limits: what an entry says is checked first.

Everything here raises whatever it meets, for the border around it (see `eval.files.border`).
"""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from eval.files.border import open_regular, plain
from eval.files.limits import check

_HEADER_BYTES = 2**20  # of one tar member's headers: names, and the map of a sparse file
_GZIP = b"\x1f\x8b"
_LOCAL, _END = b"PK\x03\x04", b"PK\x05\x06"
_MOST_BEHIND = 22 + 2**16  # a zip file's last record, and the comment that may follow
_IS_UTF8 = 0x800


@dataclass(frozen=True)
class Piece:
    """Where one entry lies in an archive: `size` bytes there, `unpacked` bytes when read."""

    archive: Path
    start: int
    size: int
    unpacked: int
    crc: int | None = None
    is_deflated: bool = False


def read_piece(piece: Piece, limit: str) -> bytes:
    """The bytes of an entry, of which there are no more than the limit of that name."""
    check(limit, piece.size, "bytes")
    check(limit, piece.unpacked, "bytes when unpacked")
    with open_regular(piece.archive) as file:
        file.seek(piece.start)
        data = file.read(piece.size)
    if piece.is_deflated:
        data = _inflated(data, piece.unpacked)
    if len(data) != piece.unpacked:
        raise ValueError("it is cut off")
    if piece.crc is not None and zlib.crc32(data) != piece.crc:
        raise ValueError("its checksum differs")
    return data


def _inflated(data: bytes, size: int) -> bytes:
    """Stops one byte behind what the entry says of itself, whatever the data unpack to."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    content = unpacker.decompress(data, size + 1)
    if len(content) > size:
        raise ValueError(f"it unpacks to more than the {size:,} bytes that it says")
    if not unpacker.eof:
        raise ValueError("it is cut off")
    return content


def zip_pieces(path: Path, choose: Callable[[Sequence[str]], Sequence[int]]) -> dict[str, Piece]:
    """The chosen entries of a zip file by name.

    choose: which of the names, which come sorted; that of a folder ends in a slash.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.filename)
        check("members", len(infos), "members")
        _check_count(file, len(infos))
        for info in infos:
            _check_name(info, file.fileno())
        chosen = [infos[i] for i in choose([info.filename for info in infos])]
        refuse_twice(info.filename for info in chosen)
        return {info.filename: _zip_piece(path, info, file.fileno()) for info in chosen}


def _zip_piece(path: Path, entry: zipfile.ZipInfo, file: int) -> Piece:
    name = plain(entry.filename)
    if entry.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{name} has compression {entry.compress_type}")
    # The local header repeats the name and has extra fields of its own length: read both lengths.
    header = os.pread(file, 30, entry.header_offset)
    if len(header) < 30 or not header.startswith(_LOCAL):
        raise ValueError(f"{name} does not lie where the archive says")
    n_name, n_extra = struct.unpack("<HH", header[26:30])
    start = entry.header_offset + 30 + n_name + n_extra
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return Piece(path, start, entry.compress_size, entry.file_size, entry.CRC, is_deflated)


def _check_name(entry: zipfile.ZipInfo, file: int) -> None:
    """Raises `ValueError` for an entry whose name is another where it lies, or holds a zero byte.

    `zipfile` cuts a name off there. Of every entry, since another name may hide a picture too.
    """
    stored = entry.orig_filename.encode("utf-8" if entry.flag_bits & _IS_UTF8 else "cp437")
    header = os.pread(file, 30 + len(stored) + 1, entry.header_offset)
    n_name = int.from_bytes(header[26:28], "little")
    if b"\0" in stored or n_name != len(stored) or header[30 : 30 + n_name] != stored:
        raise ValueError(f"{plain(entry.orig_filename)} has another name where it lies")


def _check_count(file: IO[bytes], n: int) -> None:
    """Raises `ValueError` if a zip file speaks of more or fewer entries than its `n`.

    `zipfile` does not look: one wrong length in the directory hides the entries behind it.
    """
    size = os.fstat(file.fileno()).st_size
    start = max(0, size - _MOST_BEHIND)
    tail = os.pread(file.fileno(), _MOST_BEHIND, start)
    at = tail.rfind(_END)
    said = int.from_bytes(tail[at + 10 : at + 12], "little")
    # 65,535 and more: there it says no more than that, or, with some writers, the lowest bits.
    if at < 0 or said not in {n & 0xFFFF, 0xFFFF}:
        raise ValueError(f"it speaks of {said:,} members and lists {n:,}")


@contextmanager
def opened_tar(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a tar file that is compressed as a whole with gzip, or not at all."""
    with open_regular(path) as file:
        head = file.read(2)
        file.seek(0)
        if head != _GZIP:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)


def tar_members(file: IO[bytes], *, to_the_end: bool = False) -> Iterator[tarfile.TarInfo]:
    """The members of a tar file in their order, none of which is read; see `read_member`.

    to_the_end: only zeros may follow the last one. `tarfile` takes a damaged header for the end,
    and passes over all that lies behind it; of a compressed file the second look would be slow.
    """
    held = _Held(file)
    with tarfile.open(fileobj=held, mode="r:") as archive:  # type: ignore[call-overload]
        for n, member in enumerate(archive, 1):
            check("members", n, "members")
            if member.size < 0:
                raise ValueError(f"{plain(member.name)} has a negative size")
            held.n_asked = 0
            archive.members = []  # else every header stays in memory
            yield member
        if to_the_end:
            _check_end(file, archive.offset)


def _check_end(file: IO[bytes], at: int) -> None:
    file.seek(at)
    n_zeros = 0
    while block := file.read(_HEADER_BYTES):
        if block.count(0) != len(block):
            raise ValueError(f"behind byte {at:,} it is damaged, and its members cannot be told")
        n_zeros += len(block)
    if n_zeros == 0:
        raise ValueError("it is cut off: its end has no mark")


def read_member(file: IO[bytes], member: tarfile.TarInfo, limit: str) -> bytes:
    """The bytes of the member that `tar_members` gave last."""
    name = plain(member.name)
    if not is_plain_file(member):
        raise ValueError(f"{name} is a link or no regular file")
    check(limit, member.size, f"bytes in {name}")
    file.seek(member.offset_data)
    content = file.read(member.size)
    if len(content) != member.size:
        raise ValueError(f"it is cut off inside {name}")
    return content


def is_plain_file(member: tarfile.TarInfo) -> bool:
    """Whether a tar member is a file whose bytes lie there as they are."""
    return member.isreg() and not member.issparse()


def refuse_twice(names: Iterable[str]) -> None:
    """Raises `ValueError` for a name that stands twice: two readers may take two for one."""
    most = Counter(names).most_common(1)
    if most and most[0][1] > 1:
        raise ValueError(f"{plain(most[0][0])} is in it {most[0][1]} times")


class _Held:
    """What `tarfile` reads headers from: it asks for as much as they claim, and gets a limit."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._is_packed = isinstance(file, gzip.GzipFile)
        self.n_asked = 0

    def read(self, size: int) -> bytes:
        self.n_asked += max(size, 0)
        if size < 0 or self.n_asked > _HEADER_BYTES:
            raise ValueError(f"the header of a member in it says {size:,} bytes, and more than fit")
        return self._file.read(size)

    def seek(self, place: int) -> None:
        if self._is_packed:
            check("unpacked_bytes", place, "bytes when unpacked, or more")
        self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()
