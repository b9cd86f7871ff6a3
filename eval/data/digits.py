"""Handwritten digits, 8x8: 1,797 images that scikit-learn carries inside its package."""

from __future__ import annotations

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.data.arrays import in_memory
from eval.data.base import ImageSet
from eval.errors import DataError, unknown
from eval.files.border import border, is_file

SPLITS = ("test", "train")
_FILE = "datasets/data/digits.csv.gz"
"""Inside scikit-learn's package: 1,797 lines of 64 grey levels and the digit."""
_AGAIN = "install scikit-learn"
# SHA-256 over the images as uint8 (1797, 8, 8), then the labels as uint8.
_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def indices_of_test(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the 1,797 images are the 360 test images; ascending.

    The rule: order all images by class, within a class by index, and take every fifth beginning
    with the first. Each class gives a fifth of itself, up to one image, and no random generator
    of any library is part of the definition.
    """
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[::5])


def open_digits(split: str) -> ImageSet:
    """The split "test" (360 images) or "train" (1,437); ids are indices into scikit-learn's set.

    Images are 1x8x8 with 17 grey levels, 0..16, divided by 16.
    Raises DataError when scikit-learn is not installed, or carries other pictures than the known
    ones. It is not imported: that takes as long as importing torch.
    Source: E. Alpaydin, C. Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), test part.
    """
    if split not in SPLITS:
        raise unknown("split of digits", split, SPLITS)
    table = _table()
    images = table[:, :-1].astype(np.uint8).reshape(-1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    digest = hashlib.sha256(images.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if digest != _SHA256:
        raise DataError(
            f"the digits of the installed scikit-learn have sha256 {digest[:12]}, expected"
            f" {_SHA256[:12]}; install another version of scikit-learn"
        )
    chosen = indices_of_test(labels)
    if split == "train":
        chosen = np.setdiff1d(np.arange(len(labels)), chosen)
    return in_memory(
        images[chosen][:, None],
        labels[chosen],
        [str(i) for i in chosen],
        name="digits",
        split=split,
        n_classes=10,
        scale=16,
        official_subset=True,
        layout="bundled with scikit-learn",
    )


def _table() -> NDArray[np.float64]:
    """(1797, 65): the 64 grey levels of each image, row by row, and its label."""
    path = _file()
    with border(path, DataError, f"{_AGAIN} again"), gzip.open(path) as file:
        table = np.loadtxt(file, delimiter=",", ndmin=2)
        if table.shape[1] != 65:
            raise ValueError(f"it has {table.shape[1]} columns, not 65")
    return table


def _file() -> Path:
    """Where the installed scikit-learn keeps the digits; raises `DataError` if there is none."""
    try:
        spec = find_spec("sklearn")
    except ValueError:  # imported by something that left no spec
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise DataError(f"digits: there is no scikit-learn, which carries them: {_AGAIN}")
    path = Path(folders[0]) / _FILE
    if not is_file(path):
        raise DataError(f"digits: the scikit-learn in {folders[0]} has no {_FILE}: {_AGAIN} again")
    return path
