"""Where data sets lie on this machine, and what is said when they do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eval.errors import DataError
from eval.home import home


@dataclass(frozen=True)
class DataRoot:
    """The folder under which data sets are looked for, and which setting named it."""

    path: Path
    named_by: str


def data_root(data_dir: Path | None) -> DataRoot:
    """`data_dir`, else SAT_ZOO_DATA, else SAT_ZOO_HOME/data, else the platform's user data folder.

    Raises DataError when a folder that was named is missing, is a file or cannot be listed; the
    default folder may be missing, since nobody named it.
    """
    if data_dir is not None:
        root = DataRoot(Path(data_dir).expanduser(), "--data-dir")
    elif os.environ.get("SAT_ZOO_DATA"):
        root = DataRoot(Path(os.environ["SAT_ZOO_DATA"]).expanduser(), "SAT_ZOO_DATA")
    else:
        return DataRoot(home() / "data", "the default data folder")
    _check_folder(root)
    return root


def places(root: DataRoot, subfolders: Iterable[str]) -> list[Path]:
    """The folders to look into: `root` itself, then those of its subfolders that exist."""
    found = [root.path, *(root.path / name for name in subfolders)]
    return [folder for folder in found if folder.is_dir()]


def not_found(name: str, split: str, wanted: str, root: DataRoot, *, fix: str = "") -> DataError:
    """A `DataError` that says what was looked for, where, and what to do."""
    state = "holds" if root.path.is_dir() else "does not exist, so it holds"
    return DataError(
        f"{name} ({split}) was not found: {root.path} (from {root.named_by}) {state} none of"
        f" {wanted}; name a folder that does with --data-dir or SAT_ZOO_DATA{fix}"
    )


def _check_folder(root: DataRoot) -> None:
    if not root.path.exists():
        raise DataError(
            f"{root.named_by} {root.path} does not exist; name the folder that holds the data sets"
        )
    if not root.path.is_dir():
        raise DataError(
            f"{root.named_by} {root.path} is a file; name the folder that holds the data sets"
        )
    try:
        empty = next(root.path.iterdir(), None) is None
    except OSError as problem:
        raise DataError(f"{root.named_by} {root.path} cannot be read: {problem.strerror}") from None
    if empty:
        raise DataError(
            f"{root.named_by} {root.path} is empty; name the folder that holds the data sets"
        )
