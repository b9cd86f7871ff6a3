"""CIFAR-10 as pictures in ten class folders: exact only if their official order is known.

Class folders forget the order, and with it which pictures are the first thousand. It comes back
from `SPLIT_order.csv` beside the tree or from running numbers in the file names, and is believed
only where the pictures so ordered are, bit for bit, the official batches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.data.cifar10 import exact as cifar10_exact
from eval.data.cifar10.exact import Pictures, proved
from eval.data.cifar10.jpeg import CLASSES, read_order
from eval.data.files.entries import Passed
from eval.data.files.pictures import open_picture, suffixes, to_rgb
from eval.data.files.stores import ArchiveStore, FolderStore, list_folder, list_zip
from eval.data.text import nfc
from eval.errors import DataError

# No longer than a number of a picture can be: a name is a stranger's text too.
_NUMBER = re.compile(r"(?<!\d)\d{1,9}(?!\d)")


@dataclass(frozen=True)
class Tree:
    """Picture files in class folders, not yet decoded.

    names: paths inside the store. labels: 0 to 9, from the folders. order: the csv file, if any.
    """

    path: Path
    store: FolderStore | ArchiveStore
    labels: tuple[int, ...]
    order: Path | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the files, sorted by path."""
        return self.store.names

    @property
    def is_lossless(self) -> bool:
        """Whether the files can hold exact pixels."""
        lossy = tuple(suffixes(is_lossy=True))
        return not any(name.lower().endswith(lossy) for name in self.names)

    @property
    def passed(self) -> tuple[Passed, ...]:
        """What lies there too and is not read."""
        return self.store.passed


def find_tree(folder: Path, split: str) -> Tree | None:
    """The tree of `split` in `folder`: SPLIT.zip, SPLIT/, or the class folders themselves.

    Raises DataError for a damaged zip, a folder that is no class, and a wrong number of pictures.
    """
    listed = folder / f"{split}_order.csv"
    order = listed if listed.exists() else None
    for path in (folder / f"{split}.zip", folder / split, folder):
        if path.suffix == ".zip" and path.is_file():
            tree = _as_tree(path, list_zip(path), order)
        elif path.is_dir() and any((path / one).is_dir() for one in CLASSES):
            store = list_folder(path, lambda name: name == listed.name)
            tree = _as_tree(path, store, order)
        else:
            continue
        if tree is not None:
            _check_count(tree, split)
            return tree
    return None


def read_tree(tree: Tree) -> Pictures:
    """All pictures, in the order of their paths."""
    images = np.empty((len(tree.names), 3, 32, 32), np.uint8)
    for i in range(len(images)):
        where = tree.store.where(i)
        pixels = to_rgb(open_picture(tree.store.read(i), where))
        if pixels.shape != (32, 32, 3):
            raise DataError(f"{where} has shape {pixels.shape}, expected (32, 32, 3) as CIFAR-10")
        images[i] = pixels.transpose(2, 0, 1)
    return Pictures(images, np.array(tree.labels, np.uint8))


def in_order(tree: Tree, found: Pictures, split: str) -> Pictures | None:
    """`found` in the official order and proved; None where the tree does not tell an order.

    Raises DataError when an order file is there and the pictures so ordered are not official.
    """
    if tree.order is not None:
        place = _places_in(tree.order, tree)
        return proved(Pictures(found.images[place], found.labels[place]), split, tree.path)
    numbers = [_NUMBER.search(name.rpartition("/")[2]) for name in tree.names]
    told = np.array([int(one.group()) if one else -1 for one in numbers])
    place = np.argsort(told)
    if not np.array_equal(told[place] - told[place[0]], np.arange(len(told))):
        return None
    try:
        return proved(Pictures(found.images[place], found.labels[place]), split, tree.path)
    except DataError:
        return None  # the numbers were other numbers


def _as_tree(path: Path, store: FolderStore | ArchiveStore, order: Path | None) -> Tree | None:
    parents = [name.rpartition("/")[0].rpartition("/")[2] for name in store.names]
    if not set(parents) & set(CLASSES):
        return None
    stranger = next((i for i, parent in enumerate(parents) if parent not in CLASSES), None)
    if stranger is not None:
        raise DataError(
            f"{store.where(stranger)} lies in no class folder of CIFAR-10, which are"
            f" {', '.join(CLASSES)}; move it away"
        )
    return Tree(path, store, tuple(CLASSES.index(parent) for parent in parents), order)


def _check_count(tree: Tree, split: str) -> None:
    expected = cifar10_exact.BLOCK * len(cifar10_exact.OFFICIAL[split])
    if len(tree.names) != expected:
        raise DataError(
            f"{tree.path} holds {len(tree.names)} pictures, but CIFAR-10 ({split}) has {expected};"
            " complete it, or use `open_data('folder')` for a part"
        )


def _places_in(order: Path, tree: Tree) -> NDArray[np.int64]:
    """For each row of the order file where its picture stands in the tree."""
    known = {nfc("/".join(name.split("/")[-2:])): i for i, name in enumerate(tree.names)}
    names = [nfc(name) for name in read_order(order, "file")]
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise DataError(f"{order} names {missing}, which {tree.path} does not hold")
    return np.array([known[name] for name in names], np.int64)
