"""The pages of a column in a parquet file, counted by their own headers before one is unpacked.

What a file says of itself at its end is not what its pages say: a page of 22 kB may unpack to
700 MB beside an end that speaks of a thousand bytes. A header is a struct in Thrift's compact
protocol.
Source: parquet-format, `parquet.thrift` (PageHeader); Thrift, "Thrift Compact protocol encoding".
"""

from __future__ import annotations

from typing import Any, BinaryIO

from eval.files.limits import check

_HEADER_BYTES = 2**16  # of one page: sizes, and statistics of its values
_MOST_PAGES = 10**5
_DELTA_BYTE_ARRAY = 7  # of values that repeat the one before them, as the names of an index do
_UNPACKED, _PACKED, _DATA, _DATA_V2 = 2, 3, 5, 8  # fields of a PageHeader
_ENCODING, _ENCODING_V2 = 2, 4
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


def largest_page(file: BinaryIO, start: int, size: int) -> int:
    """Bytes of the largest page, unpacked, among those in `size` bytes from `start`.

    For the border around it. Raises `ValueError` for pages that are together larger than the limit
    of a group of rows, and for values that are stored as differences from the one before.
    """
    place, end, total, largest = start, start + size, 0, 0
    for _ in range(_MOST_PAGES):
        if place >= end:
            return largest
        file.seek(place)
        reader = _Compact(file.read(min(_HEADER_BYTES, end - place)))
        header = reader.struct()
        unpacked, packed = header.get(_UNPACKED), header.get(_PACKED)
        if type(unpacked) is not int or type(packed) is not int or min(unpacked, packed) < 0:
            raise ValueError("a page of it does not say how large it is")
        data, data_v2 = header.get(_DATA, {}), header.get(_DATA_V2, {})
        if _DELTA_BYTE_ARRAY in (data.get(_ENCODING), data_v2.get(_ENCODING_V2)):
            raise ValueError("its values are stored as differences, which is not read")
        total += unpacked
        check("group_bytes", total, "bytes in the pages of a column, or more")
        largest = max(largest, unpacked)
        place += reader.place + packed
    raise ValueError(f"a column of it has more than {_MOST_PAGES:,} pages")


class _Compact:
    """Walks over a struct in Thrift's compact protocol; raises what running off its end raises."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 4) -> dict[int, Any]:
        """Its fields by number: whole numbers and structs; everything else is passed over."""
        if depth == 0:
            raise ValueError("a page's header is nested too deep")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            delta, kind = divmod(head, 16)
            number = number + delta if delta else self._whole()
            found[number] = self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _STRUCT:
            return self.struct(depth - 1)
        if kind == _BINARY:
            n_bytes = self._varint()
            self.place += n_bytes
        elif kind in (_BYTE, _DOUBLE):
            self.place += 1 if kind == _BYTE else 8
        elif kind in (_LIST, _SET, _MAP):
            raise ValueError("a page's header holds a list, which none does")
        else:
            return self._whole()
        return None

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number in a page's header has more than 64 bits")

    def _whole(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
