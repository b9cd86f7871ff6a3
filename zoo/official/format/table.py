"""Reads a LevelDB table and protobuf messages: the two formats inside a checkpoint's index.

A table is blocks of prefix-compressed keys, each followed by its compression type and a masked
CRC-32C, and a 48-byte footer that says where the block lies that lists the others.

Source: LevelDB `doc/table_format.md`; the protobuf encoding guide.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from eval.errors import WeightsMismatch
from eval.files.border import LONGEST_PATH, plain
from eval.files.limits import check

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
_FIELDS = 64  # of one message; an entry has seven, and a dimension more for each axis
_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|\?xml)", re.IGNORECASE)


def masked_crc(content: bytes) -> int:
    """CRC-32C, rotated and shifted, so that data which contains its own checksum stays safe."""
    crc: int = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def refuse_web_page(path: Path, head: bytes) -> None:
    """Raises `WeightsMismatch` if `head`, the first bytes of `path`, are what a server sends
    instead of a file: a page that says why not.
    """
    if _WEB_PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise WeightsMismatch(
            f"{path} begins like a web page, so the server refused the download: get it again, in a"
            " browser if need be"
        )


def damaged(path: Path, what: str) -> WeightsMismatch:
    """The error for a file that contradicts itself."""
    return WeightsMismatch(
        f"{plain(str(path), LONGEST_PATH)} is damaged: {what}; download it again"
    )


def read_table(path: Path, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of the table `data`, in the order of the keys; `path` is for the errors.

    Raises `WeightsMismatch` if `data` is no table, is damaged or is compressed; `ValueError`, for
    the border around it, for names that are together or alone longer than a checkpoint's are, and
    for more of them: a few bytes can say that a name repeats the one before it.
    """
    refuse_web_page(path, data[:256])
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise WeightsMismatch(
            f"{path} is not the index of a TensorFlow checkpoint, or is truncated: it does not end"
            " with the mark of one; download it again"
        )
    footer = Cursor(data[-_FOOTER:-8], path)
    _block(data, *footer.handle(), path)  # reserved and empty in a checkpoint, but it must be whole
    last, n_entries, n_bytes, end = None, 0, 0, 0
    for _, handle in _entries(_block(data, *footer.handle(), path), path):
        offset, size = Cursor(handle, path).handle()
        if offset < end:
            raise damaged(path, "its blocks are not in order, or one is there twice")
        end = offset + size
        for key, value in _entries(_block(data, offset, size, path), path):
            if last is not None and key <= last:
                raise damaged(path, "its names are not in order")
            n_entries += 1
            n_bytes += len(key)
            check("index_entries", n_entries, "entries, or more")
            check("index_bytes", n_bytes, "bytes of names, or more")
            yield key, value
            last = key


def _block(data: bytes, offset: int, size: int, path: Path) -> bytes:
    stored = data[offset : offset + size + 5]
    if len(stored) != size + 5:
        raise damaged(path, "one of its blocks lies outside of the file")
    if masked_crc(stored[:-4]) != int.from_bytes(stored[-4:], "little"):
        raise damaged(path, "one of its blocks does not have its checksum")
    if stored[size] == 1:
        raise WeightsMismatch(
            f"{path} is compressed with Snappy, which this reader does not support: save the"
            " checkpoint again with TensorFlow's own Saver, which does not compress"
        )
    if stored[size] != 0:
        raise damaged(path, f"one of its blocks has the unknown compression {stored[size]}")
    return stored[:size]


def _entries(block: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of a block; a key is stored as what differs from the key before it."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if len(block) < 4 or end < 0:
        raise damaged(path, "one of its blocks is shorter than its list of restarts")
    cursor, key = Cursor(block[:end], path), b""
    while cursor.has_more:
        n_shared, n_fresh, n_value = cursor.varint(), cursor.varint(), cursor.varint()
        if n_shared > len(key):
            raise damaged(path, "a name shares more than the name before it has")
        check("name_bytes", n_shared + n_fresh, "bytes in one name")
        key = key[:n_shared] + cursor.take(n_fresh)
        yield key, cursor.take(n_value)


class Cursor:
    """Walks over bytes; running off their end is an error about the file `path`."""

    def __init__(self, data: bytes, path: Path) -> None:
        self._data, self._path, self._at = data, path, 0

    @property
    def has_more(self) -> bool:
        """Whether bytes are left."""
        return self._at < len(self._data)

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        self._at += n
        if self._at > len(self._data):
            raise damaged(self._path, "an entry ends before its length")
        return self._data[self._at - n : self._at]

    def varint(self) -> int:
        """The next number: 7 bits a byte, the lowest first, the top bit says "more follows"."""
        value = 0
        for shift in range(0, 64, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise damaged(self._path, "a number has more than 64 bits")

    def handle(self) -> tuple[int, int]:
        """Offset and size of a block."""
        return self.varint(), self.varint()


class Message:
    """A protobuf message as numbers and bytes by field; an absent field is 0, as in proto3."""

    def __init__(self, data: bytes, path: Path) -> None:
        self._path = path
        self._fields: dict[int, list[int | bytes]] = {}
        cursor, n_fields = Cursor(data, path), 0
        while cursor.has_more:
            field, wire = divmod(cursor.varint(), 8)
            value: int | bytes
            if wire == 0:
                value = cursor.varint()
            elif wire == 2:
                value = cursor.take(cursor.varint())
            elif wire in (1, 5):
                value = int.from_bytes(cursor.take(8 if wire == 1 else 4), "little")
            else:
                raise damaged(path, f"a field has the unknown wire type {wire}")
            self._fields.setdefault(field, []).append(value)
            n_fields += 1
            if n_fields > _FIELDS:
                raise damaged(path, f"a message in it has more than {_FIELDS} fields")

    def integer(self, field: int) -> int:
        """The field's number, 0 if absent."""
        value = self._fields.get(field, [0])[-1]
        if not isinstance(value, int):
            raise damaged(self._path, f"field {field} is not a number")
        return value

    def messages(self, field: int) -> list["Message"]:
        """The field's messages, in order; none if absent."""
        found = []
        for value in self._fields.get(field, []):
            if not isinstance(value, bytes):
                raise damaged(self._path, f"field {field} is not a message")
            found.append(Message(value, self._path))
        return found
