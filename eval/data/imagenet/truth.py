"""The lists of labels that people keep beside a flat `val/`, read and put beside the pictures.

The labels of all 50,000 pictures are built in, so a list is not needed; but one that lies there and
disagrees means that the pictures or the list are others than they seem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from eval.data.imagenet.layouts import DEVKIT_LIST, NAMED_LIST, Listing
from eval.data.text import read_lines
from eval.errors import DataError
from eval.files.border import plain

_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})")
_CLASS = re.compile(r"[0-9]{1,6}")
_FOLDERS = ("", "ILSVRC2012_devkit_t12/data", "data")


def with_truth(listing: Listing, official: NDArray[np.uint16]) -> Listing:
    """`listing` with the labels of a list beside its flat pictures; unchanged if none is there.

    official: (50000,) the class of picture 1, 2, ...
    Two forms: Caffe's `val.txt` (a file name and a class from 0 a line) and the devkit's ground
    truth (a line a picture, classes from 1 in the devkit's own order).
    Raises DataError when the list cannot be read, or a picture is not in it.
    """
    if listing.labels is not None or not listing.layout.endswith("one flat folder"):
        return listing
    roots = (listing.path.parent, listing.path) if listing.path.is_dir() else (listing.path.parent,)
    for folder in (root / inner for root in roots for inner in _FOLDERS):
        for name, read in ((NAMED_LIST, _read_named), (DEVKIT_LIST, _read_devkit)):
            if (folder / name).is_file():
                labels = read(folder / name, listing.names, official)
                return replace(listing, layout=f"{listing.layout} with {name}", labels=labels)
    return listing


def _read_named(path: Path, names: Sequence[str], _official: object) -> tuple[int, ...]:
    told: dict[str, int] = {}
    for number, line in enumerate(read_lines(path, "a list of labels"), 1):
        if not line:
            continue
        written, _, label = line.replace("\t", " ").rpartition(" ")
        if not written.strip() or not _CLASS.fullmatch(label):
            raise DataError(
                f"{path} is no list of labels: line {number} is {line[:60]!r}, expected a file name"
                " and a class from 0 to 999; correct it, or move it away"
            )
        name = PurePosixPath(written.strip()).name
        if told.setdefault(name, int(label)) != int(label):
            raise DataError(
                f"{path}: line {number} gives {plain(name)} the class {label}, and an earlier line"
                f" {told[name]}; correct it, or move it away"
            )
    files = [PurePosixPath(name).name for name in names]
    missing = next((name for name in files if name not in told), None)
    if missing is not None:
        raise DataError(f"{path} has no label for {plain(missing)}; complete it, or move it away")
    return tuple(told[name] for name in files)


def _read_devkit(path: Path, names: Sequence[str], official: NDArray[np.uint16]) -> tuple[int, ...]:
    """The labels, translated from the devkit's numbers into ours.

    Which number is which class lies in a MATLAB file. It is not needed: the numbers must stand for
    the classes one to one, and the first picture of each number says for which.
    """
    lines = [line for line in read_lines(path, "the devkit's ground truth") if line]
    if len(lines) != len(official) or not all(_CLASS.fullmatch(line.strip()) for line in lines):
        raise DataError(
            f"{path} is not the devkit's ground truth: expected {len(official)} lines with a number"
            f" each, found {len(lines)}; correct it, or move it away"
        )
    meant: dict[int, int] = {}
    labels = [meant.setdefault(int(line), int(official[i])) for i, line in enumerate(lines)]
    if len(set(meant.values())) < len(meant):
        raise DataError(
            f"{path} is not the devkit's ground truth: two of its numbers stand for one class;"
            " fetch it again, or move it away"
        )
    found = [_NUMBER.search(name) for name in names]
    numbers = [int(match.group(1)) if match else 0 for match in found]
    # A name that is none of the official ones is told later, with the picture.
    return tuple(labels[k - 1] if 1 <= k <= len(labels) else -1 for k in numbers)
