"""The user's settings file: where the data sets lie. Read, never written. No torch here.

data_dir = "~/data"

[data]
cifar10 = "/srv/pictures/cifar-10"
imagenet = "/srv/ilsvrc2012"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import UsageError, unknown

KEYS = ("data_dir", "data")
DATA_KEYS = ("cifar10", "cifar10-jpeg", "imagenet")
"""The data sets that are looked for on disk; digits come with scikit-learn."""


@dataclass(frozen=True)
class Config:
    """What the file says; empty when there is no file.

    path: the file, whether it exists or not. data_dir: the folder of all data sets.
    data: a folder of its own for some data sets; it wins over `data_dir`.
    """

    path: Path
    data_dir: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


def config_path() -> Path:
    """SAT_ZOO_CONFIG, else config.toml in the platform's folder for settings."""
    chosen = os.environ.get("SAT_ZOO_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_config_path("sat-zoo") / "config.toml"


def read_config() -> Config:
    """The settings, checked.

    Raises UsageError when the file is no TOML (with the line), has an unknown key (with the
    nearest name), a value that is no whole path, or is named by SAT_ZOO_CONFIG and not there.
    """
    path = config_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if os.environ.get("SAT_ZOO_CONFIG"):
            raise UsageError(
                f"SAT_ZOO_CONFIG {path} does not exist; name a config.toml or unset it"
            ) from None
        return Config(path)
    except (OSError, UnicodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise UsageError(f"{path} cannot be read: {why}; repair it or delete it") from None
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        # The message ends with the line and the column, except of what is missing at the end.
        end = f"at line {len(text.splitlines())}, the last"
        why = str(problem).replace("at end of document", end)
        raise UsageError(f"{path} is not TOML: {why}; repair that line") from None
    return _checked(path, said)


def _checked(path: Path, said: Mapping[str, Any]) -> Config:
    for key in said:
        if key not in KEYS:
            raise unknown("setting", key, KEYS, see=f"in {path}")
    data_dir = _folder(path, "data_dir", said["data_dir"]) if "data_dir" in said else None
    table = said.get("data", {})
    if not isinstance(table, dict):
        raise UsageError(
            f"{path}: data is {table!r}, expected a table: write [data] and below it one line a"
            ' data set, such as cifar10 = "/path"; the folder of all of them is data_dir'
        )
    for name in table:
        if name not in DATA_KEYS:
            raise unknown("data set", name, DATA_KEYS, see=f"in [data] of {path}")
    return Config(path, data_dir, {name: _folder(path, name, table[name]) for name in table})


def _folder(path: Path, key: str, value: object) -> Path:
    """A value as a path: whole, since a settings file is read from whatever folder one is in."""
    try:
        folder = Path(value).expanduser() if isinstance(value, str) else Path()
    except RuntimeError:  # "~" without a home, or of an unknown user
        folder = Path()
    if not folder.is_absolute():
        raise UsageError(
            f'{path}: {key} is {value!r}, expected a whole path, such as {key} = "~/data"'
        )
    return folder
