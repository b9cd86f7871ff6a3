"""CIFAR-10, exact (`cifar10`) or as its lossy JPEG copy (`cifar10-jpeg`): never one for the other.

Ids are official indices: the position in `test_batch`, or in `data_batch_1` .. `data_batch_5`
joined. Source: A. Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eval.data.arrays import in_memory
from eval.data.base import ImageSet
from eval.data.cifar10.exact import Pictures, proved, read_batches, read_first_1017, read_parquet
from eval.data.cifar10.jpeg import read_jpegs
from eval.data.cifar10.tree import Tree, find_tree, in_order, read_tree
from eval.data.files.entries import Passed
from eval.data.files.pictures import Decoder, pillow
from eval.data.locate import DataMissing, DataRoot, data_root, not_found, places
from eval.data.text import spellings
from eval.errors import unknown
from eval.files.download import OnProgress
from eval.files.download import download as fetch
from eval.files.home import home

SPLITS = ("test", "train")
_SUBFOLDERS = ("cifar10", "cifar10-jpeg")
_BATCHES = (
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
)
# Of the python batches. Sources: the data set's own page, and torchvision, for address and MD5;
# Keras for the SHA-256.
ARCHIVE = "cifar-10-python.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
SIZE_BYTES = 170_498_071
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
_FIRST = "official_test_first_1017.npz"
_SHORTFALL = (
    "only 1,017 exact pictures are there, in {path}; ask for at most 1,017, give a folder that"
    " holds cifar-10-batches-py, or use `open_data('cifar10-jpeg')`, which has all 10,000"
    " as lossy copies"
)


def open_cifar10(
    split: str,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    download_to: Path | None = None,
    on_progress: OnProgress | None = None,
) -> ImageSet:
    """Exact pictures: 10,000 test or 50,000 training ones, or the first 1,017 of the test split.

    Layouts, in this order: the python batches and the binary batches (folder or tar.gz), the Hub's
    parquet file, a tree of class folders whose order is known (see `cifar10_tree`), the npz file of
    the first 1,017, then any tree of class folders, which is then named "cifar10-folder". A layout
    that is there but damaged is an error, not passed over.

    download: fetch the official archive if nothing exact is there, into `download_to`, default
              SAT_ZOO_HOME/data; what lies there already is not fetched again.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10", split, SPLITS)
    root = data_root(data_dir, "cifar10")
    found = _found(root, split)
    if download and (found is None or found.name != "cifar10" or found.shortfall):
        folder = download_to or home() / "data"
        path = fetch(URL, folder / ARCHIVE, sha256=SHA256, size=SIZE_BYTES, on_progress=on_progress)
        return _exact_set(path, split)
    if found is None:
        names = (*_forms(split)[:-1], f"{split}/CLASS/*.png", f"{split}.zip")
        wanted = ", ".join((*names, _FIRST) if split == "test" else names)
        raise not_found("cifar10", split, wanted, root, fix=_fix(root, split))
    return found


def open_cifar10_folder(split: str, *, data_dir: Path | None = None) -> ImageSet:
    """Pictures in folders named by the ten classes, in the order of their paths, proved nothing.

    Layouts: SPLIT.zip, a folder SPLIT of class folders, or those folders themselves.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10-folder", split, SPLITS)
    root = data_root(data_dir, "cifar10")
    tree = _tree(places(root, _SUBFOLDERS), split)
    if tree is None:
        raise not_found("cifar10-folder", split, f"{split}/CLASS/*.png, {split}.zip", root)
    return _folder_set(tree, split)


def open_cifar10_jpeg(split: str, *, data_dir: Path | None = None) -> ImageSet:
    """The JPEG copy: 10,000 test or 50,000 training pictures, each farther than 8/255 from exact.

    Layouts: SPLIT.zip, SPLIT.tar.gz or a folder SPLIT of class folders, with SPLIT_order.csv.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10-jpeg", split, SPLITS)
    root = data_root(data_dir, "cifar10-jpeg")
    forms = (f"{split}.zip", f"{split}.tar.gz", split)
    halves = []
    for folder in places(root, _SUBFOLDERS):
        order = folder / f"{split}_order.csv"
        path = next((folder / form for form in forms if (folder / form).exists()), None)
        if path is not None and order.exists():
            found = _as_set(read_jpegs(path, order, split), "cifar10-jpeg", split, path)
            return replace(found, decoder=Decoder(pillow()))
        if path is not None:
            halves.append(
                f"{path} is there, but {order.name}, the official order of its pictures, is missing"
                " beside it: put it there, or use `open_data('cifar10-folder')`, which needs none"
            )
        elif order.exists():
            halves.append(
                f"{order} is there, but its pictures are missing beside it: put {forms[0]},"
                f" {forms[1]} or the folder {forms[2]} there"
            )
    if halves:
        raise DataMissing(f"cifar10-jpeg ({split}) lacks a file: {halves[0]}")
    wanted = f"{', '.join(forms)} beside {split}_order.csv"
    raise not_found("cifar10-jpeg", split, wanted, root)


def _forms(split: str) -> tuple[str, ...]:
    parquet = f"{split}-00000-of-00001.parquet"
    return (*_BATCHES, parquet, f"plain_text/{parquet}")


def _found(root: DataRoot, split: str) -> ImageSet | None:
    folders = places(root, _SUBFOLDERS)
    for path in (folder / form for folder in folders for form in _forms(split)):
        if path.exists():
            return _exact_set(path, split)
    tree = _tree(folders, split)
    if tree is not None and tree.is_lossless:
        exact = in_order(tree, read_tree(tree), split)
        if exact is not None:
            return _as_set(exact, "cifar10", split, tree.path, passed_over=tree.passed)
    first = next((f / _FIRST for f in folders if (f / _FIRST).exists()), None)
    if first is not None and split == "test":
        shortfall = _SHORTFALL.format(path=first)
        return _as_set(read_first_1017(first), "cifar10", split, first, shortfall=shortfall)
    # A lossy tree with its order is the JPEG copy, which has a name and a loader of its own.
    return _folder_set(tree, split) if tree is not None and tree.order is None else None


def _tree(folders: Sequence[Path], split: str) -> Tree | None:
    return next(filter(None, (find_tree(folder, split) for folder in folders)), None)


def _exact_set(path: Path, split: str) -> ImageSet:
    read = read_parquet(path) if path.suffix == ".parquet" else read_batches(path, split)
    return _as_set(proved(read, split, path), "cifar10", split, path)


def _folder_set(tree: Tree, split: str) -> ImageSet:
    found = read_tree(tree)
    spelled = spellings(tree.names, str(tree.path))
    return in_memory(
        found.images,
        found.labels.astype(np.int64),
        [spelled[name] for name in tree.names],
        name="cifar10-folder",
        split=split,
        n_classes=10,
        scale=255,
        official_subset=False,
        layout=f"{tree.path.name}, class folders without the official order (no"
        f" {split}_order.csv beside them), so that no subset of them is the official one",
        passed_over=tree.passed,
    )


def _as_set(
    found: Pictures,
    name: str,
    split: str,
    path: Path,
    *,
    shortfall: str = "",
    passed_over: tuple[Passed, ...] = (),
) -> ImageSet:
    return in_memory(
        found.images,
        found.labels.astype(np.int64),
        [str(i) for i in range(len(found.labels))],
        name=name,
        split=split,
        n_classes=10,
        scale=255,
        official_subset=name == "cifar10",
        layout=path.name,
        shortfall=shortfall,
        passed_over=passed_over,
    )


def _fix(root: DataRoot, split: str) -> str:
    orders = [folder / f"{split}_order.csv" for folder in places(root, _SUBFOLDERS)]
    orders = [order for order in orders if order.exists()]
    forms = (f"{split}.zip", f"{split}.tar.gz", split)
    if orders and not any((one.parent / form).exists() for one in orders for form in forms):
        return f", or put {forms[0]}, whose order it is, beside {orders[0]}"
    if orders:
        return ", or use `open_data('cifar10-jpeg')`, the lossy copy that lies there"
    return ", or let `sat-zoo eval` fetch it with --download (in Python: download=True)"
