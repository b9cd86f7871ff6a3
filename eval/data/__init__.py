"""Data sets: ordered, labelled, with stable ids and a proved name. Loads no torch at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from eval.data.arrays import from_arrays, from_tensors
from eval.data.base import Batch, ImageSet
from eval.data.cifar10 import open_cifar10, open_cifar10_jpeg
from eval.data.digits import open_digits
from eval.errors import UsageError, unknown

__all__ = ["DATA_SETS", "Batch", "ImageSet", "from_arrays", "from_tensors", "open_data"]

DATA_SETS = ("digits", "cifar10", "cifar10-jpeg")


def open_data(
    name: str, *, data_dir: Path | None = None, split: str = "test", download: bool = False
) -> ImageSet:
    """The split of a known data set, checked to be what `name` says.

    name:     one of `DATA_SETS`.
    data_dir: where to look; default SAT_ZOO_DATA, else SAT_ZOO_HOME/data. Never written to,
              unless `download` asks for it (cifar10 only).
    Raises UsageError for an unknown name or split; DataError when the files are missing, damaged
    or not those of the data set.
    """
    openers: Mapping[str, Callable[[], ImageSet]] = MappingProxyType(
        {
            "digits": partial(open_digits, split),
            "cifar10": partial(open_cifar10, split, data_dir=data_dir, download=download),
            "cifar10-jpeg": partial(open_cifar10_jpeg, split, data_dir=data_dir),
        }
    )
    if name not in openers:
        raise unknown("data set", name, DATA_SETS)
    if download and name != "cifar10":
        raise UsageError(f"{name} cannot be downloaded; only cifar10 can")
    return openers[name]()
