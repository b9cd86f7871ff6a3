"""Pictures in the Hub's parquet files: a column of encoded files, a column of labels."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import DataError


@dataclass
class ParquetStore:
    """Rows of parquet files as picture files; the row group read last is kept in memory.

    A store of `eval.data.files.stores`; `labels` are those of the label column, one a row.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    column: str
    groups: tuple[tuple[Path, int, int], ...]  # file, row group, its first row in the store
    _kept: tuple[int, list[bytes]] | None = field(default=None, repr=False, compare=False)

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        group = self._group_of(index)
        kept = self._kept
        if kept is None or kept[0] != group:
            kept = self._kept = (group, self._load(group))
        return kept[1][index - self.groups[group][2]]

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        path, _, first = self.groups[self._group_of(index)]
        return f"{path}: row {index - first} of its group, {self.names[index] or 'unnamed'}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def _group_of(self, index: int) -> int:
        low, high = 0, len(self.groups)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.groups[middle][2] <= index else (low, middle)
        return low

    def _load(self, group: int) -> list[bytes]:
        path, number, _ = self.groups[group]
        try:
            rows = _parquet().ParquetFile(path).read_row_group(number, columns=[self.column])
            return [row["bytes"] for row in rows.column(self.column).to_pylist()]
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise DataError(f"{path} is damaged ({problem}); fetch it again") from None


def list_parquet(paths: Sequence[Path], columns: Sequence[str]) -> ParquetStore:
    """All rows of `paths`, in order; the pictures lie in the first of `columns` that exists.

    Raises DataError when pyarrow is not installed, or a file is damaged or has other columns.
    """
    names: list[str] = []
    labels: list[int] = []
    groups: list[tuple[Path, int, int]] = []
    column = ""
    for path in paths:
        try:
            file = _parquet().ParquetFile(path)
            found = file.schema_arrow.names
            column = next((one for one in columns if one in found), "")
            if not column or "label" not in found:
                raise DataError(
                    f"{path} has the columns {', '.join(found)}, expected {columns[0]} and label"
                )
            for number in range(file.num_row_groups):
                groups.append((path, number, len(names)))
                rows = file.read_row_group(number, columns=[f"{column}.path", "label"])
                labels.extend(rows.column("label").to_pylist())
                names.extend(row.get("path") or "" for row in rows.column(column).to_pylist())
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise DataError(f"{path} is damaged or no table of pictures ({problem})") from None
    return ParquetStore(tuple(names), tuple(labels), column, tuple(groups))


def _parquet() -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(
            "parquet files are read by pyarrow, which is not installed; install it with:"
            " pip install '.[parquet]' in the folder of sat-zoo"
        ) from None
