"""Pictures in the Hub's parquet files: a column of encoded files, a column of labels."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from eval.data.files.pages import largest_page
from eval.errors import DataError
from eval.files.border import LONGEST_PATH, border, open_regular, plain
from eval.files.limits import check

_REMEDY = "it is damaged or no table of pictures; fetch it again"
_THRIFT = 2**24  # bytes of a string, and items of a list, in what a file says of itself
_LABELS = 2**31
_AT_ONCE = 2**25  # bytes
_Opened = tuple[Any, BinaryIO]


@dataclass
class ParquetStore:
    """Rows of parquet files as picture files; the row group read last is kept in memory.

    A store of `eval.data.files.stores`; `labels` are those of the label column, one a row.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    column: str
    groups: tuple[tuple[Path, int, int], ...]  # file, row group, its first row in the store
    _kept: tuple[int, list[object]] | None = field(default=None, repr=False, compare=False)

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        group = self._group_of(index)
        kept = self._kept
        if kept is None or kept[0] != group:
            kept = self._kept = (group, self._load(group))
        with border(self.where(index), DataError, _REMEDY):
            content = kept[1][index - self.groups[group][2]]
            if not isinstance(content, bytes):
                raise ValueError("there is no picture in it")
            check("picture_bytes", len(content), "bytes")
            return content

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        path, _, first = self.groups[self._group_of(index)]
        name = f"row {index - first} of its group, {self.names[index] or 'unnamed'}"
        return plain(f"{path}: {name}", LONGEST_PATH)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def _group_of(self, index: int) -> int:
        low, high = 0, len(self.groups)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.groups[middle][2] <= index else (low, middle)
        return low

    def _load(self, group: int) -> list[object]:
        path, number, _ = self.groups[group]
        found: list[object] = []
        n_bytes = 0
        with border(path, DataError, _REMEDY), _opened(path) as file:
            for rows in _pieces(file, number, [f"{self.column}.bytes"]):
                n_bytes += rows.nbytes
                check("group_bytes", n_bytes, "bytes in a group of rows, or more")
                found += (_of(row, "bytes") for row in rows.column(self.column).to_pylist())
        return found


def list_parquet(paths: Sequence[Path], columns: Sequence[str]) -> ParquetStore:
    """All rows of `paths`, in order; the pictures lie in the first of `columns` that exists.

    Raises DataError when pyarrow is not installed, or a file is damaged or has other columns.
    """
    names: list[str] = []
    labels: list[int] = []
    groups: list[tuple[Path, int, int]] = []
    column = ""
    for path in paths:
        with border(path, DataError, _REMEDY), _opened(path) as file:
            column = _column(file[0].schema_arrow, columns)
            check("parquet_rows", len(names) + file[0].metadata.num_rows, "rows")
            for number in range(file[0].num_row_groups):
                groups.append((path, number, len(names)))
                for rows in _pieces(file, number, [f"{column}.path", "label"]):
                    labels += map(_label, rows.column("label").to_pylist())
                    names += (_name(_of(row, "path")) for row in rows.column(column).to_pylist())
                    check("parquet_rows", len(names), "rows")
    return ParquetStore(tuple(names), tuple(labels), column, tuple(groups))


@contextmanager
def _opened(path: Path) -> Iterator[_Opened]:
    parquet = _parquet()
    with open_regular(path) as file:
        limited = {"thrift_string_size_limit": _THRIFT, "thrift_container_size_limit": _THRIFT}
        yield parquet.ParquetFile(file, pre_buffer=False, **limited), file


def _pieces(opened: _Opened, number: int, columns: list[str]) -> Iterator[Any]:
    """The rows of a group, as many at once as can be unpacked: any value may be a page long."""
    parquet, file = opened
    group = parquet.metadata.row_group(number)
    check("parquet_rows", group.num_rows, "rows")
    largest = 1
    for chunk in map(group.column, range(group.num_columns)):
        if chunk.path_in_schema in columns:
            start = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)))
            check("group_bytes", chunk.total_compressed_size, "bytes in a group of rows")
            largest = max(largest, largest_page(file, start, chunk.total_compressed_size))
    n_rows = max(1, min(1024, _AT_ONCE // largest))
    # Without threads of Arrow's, which would call back into the Python file.
    options = {"row_groups": [number], "columns": columns, "use_threads": False}
    yield from parquet.iter_batches(n_rows, **options)


def _column(schema: Any, columns: Sequence[str]) -> str:
    """The column of pictures, once its type and that of the labels are those that are read."""
    types = importlib.import_module("pyarrow").types
    found = schema.names
    column = next((one for one in columns if one in found), "")
    if not column or "label" not in found:
        there = plain(", ".join(found))
        raise ValueError(f"it has the columns {there}, expected {columns[0]} and label")
    if not types.is_integer(schema.field("label").type):
        kind = plain(str(schema.field("label").type))
        raise ValueError(f"its labels are of the type {kind}, no whole numbers")
    picture = schema.field(column).type
    inner = {one.name: one.type for one in picture} if types.is_struct(picture) else {}
    if not types.is_binary(inner.get("bytes", picture)) or "path" not in inner:
        raise ValueError(f"its column {column} holds no files with bytes and a path")
    return column


def _label(value: object) -> int:
    if type(value) is not int or not abs(value) < _LABELS:
        raise ValueError(f"its label {plain(str(value), 40)} is no number of a class")
    return value


def _of(row: object, field_: str) -> object:
    return row.get(field_) if isinstance(row, dict) else None


def _name(value: object) -> str:
    name = "" if value is None else str(value)
    check("name_bytes", len(name), "characters in a name")
    return name


def _parquet() -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(
            "parquet files are read by pyarrow, which is not installed; install it with:"
            " pip install '.[parquet]' in the folder of sat-zoo"
        ) from None
