"""Where data sets lie on this machine, and what is said when they do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from eval.data.files.entries import is_system
from eval.errors import DataError
from eval.files.config import config_path, read_config
from eval.files.home import home

ELSEWHERE: ContextVar[bool] = ContextVar("ELSEWHERE", default=False)
"""Whether paths were written on another machine: one that is not here gives way to SAT_ZOO_DATA."""


class DataMissing(DataError):
    """The folder that is meant holds no layout of the data set."""


class FolderMissing(DataError):
    """A folder that was named is not there, or no folder with anything in it."""


@dataclass(frozen=True)
class DataRoot:
    """The folder under which data sets are looked for, and which setting named it."""

    path: Path
    named_by: str


def data_root(data_dir: Path | None, name: str = "") -> DataRoot:
    """`data_dir`, else SAT_ZOO_DATA, else the config file, else SAT_ZOO_HOME/data.

    name: the data set, for which the config file may have a folder of its own.
    Raises DataError when a folder that was named is missing, is a file or cannot be listed; the
    default folder may be missing, since nobody named it. UsageError for a broken config file.
    """
    gives_way = ELSEWHERE.get() and os.environ.get("SAT_ZOO_DATA")
    if data_dir is not None and not (gives_way and not Path(data_dir).is_dir()):
        root = DataRoot(Path(data_dir).expanduser(), "`data_dir`")
    elif os.environ.get("SAT_ZOO_DATA"):
        root = DataRoot(Path(os.environ["SAT_ZOO_DATA"]).expanduser(), "SAT_ZOO_DATA")
    elif (configured := _configured(name)) is not None:
        root = configured
    else:
        return DataRoot(home() / "data", "the default data folder")
    _check_folder(root)
    return root


def places(root: DataRoot, subfolders: Iterable[str]) -> list[Path]:
    """The folders to look into: `root` itself, then those of its subfolders that exist."""
    found = [root.path, *(root.path / name for name in subfolders)]
    return [folder for folder in found if folder.is_dir()]


def not_found(name: str, split: str, wanted: str, root: DataRoot, *, fix: str = "") -> DataMissing:
    """A `DataMissing` that says what was looked for, where, and what to do."""
    state = "holds" if root.path.is_dir() else "does not exist, so it holds"
    return DataMissing(
        f"{name} ({split}) was not found: {root.path} (from {root.named_by}) {state} none of"
        f" {wanted}; name a folder that does with `data_dir`, SAT_ZOO_DATA or data_dir in"
        f" {config_path()}{fix}"
    )


def _configured(name: str) -> DataRoot | None:
    config = read_config()
    if name in config.data:
        return DataRoot(config.data[name], f"[data] {name} ({config.path})")
    if config.data_dir is not None:
        return DataRoot(config.data_dir, f"data_dir ({config.path})")
    return None


def _check_folder(root: DataRoot) -> None:
    named = f"{root.named_by} {root.path}"
    try:
        if not root.path.exists():
            state = "does not exist"
        elif not root.path.is_dir():
            state = "is a file"
        elif all(is_system(entry.name) for entry in root.path.iterdir()):
            state = "is empty"
        else:
            return
    except OSError as problem:
        raise DataError(
            f"{named} cannot be read: {problem.strerror}; allow it or name another folder"
        ) from None
    raise FolderMissing(f"{named} {state}; name the folder that holds the data sets")
