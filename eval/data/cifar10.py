"""CIFAR-10, exact (`cifar10`) or as its lossy JPEG copy (`cifar10-jpeg`): never one for the other.

Ids are official indices: the position in `test_batch`, or in `data_batch_1` .. `data_batch_5`
joined. Source: A. Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eval.data.arrays import in_memory
from eval.data.base import ImageSet
from eval.data.cifar10_exact import Pictures, proved, read_batches, read_first_1017, read_parquet
from eval.data.cifar10_jpeg import read_jpegs
from eval.data.locate import DataRoot, data_root, not_found, places
from eval.errors import DataError, unknown

SPLITS = ("test", "train")
_SUBFOLDERS = ("cifar10", "cifar10-jpeg")
_BATCHES = (
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
)
_FIRST = "official_test_first_1017.npz"
_SHORTFALL = (
    "only 1,017 exact pictures are there, in {path}; ask for at most 1,017, give a folder that"
    " holds cifar-10-batches-py, or use --data cifar10-jpeg, which has all 10,000 as lossy copies"
)


def open_cifar10(split: str, *, data_dir: Path | None = None, download: bool = False) -> ImageSet:
    """Exact pictures: 10,000 test or 50,000 training ones, or the first 1,017 of the test split.

    Layouts, in this order: the python batches and the binary batches (folder or tar.gz), the Hub's
    parquet file, then the npz file of the first 1,017. A layout that is there but damaged is an
    error, not passed over.
    `download` lets torchvision's address be fetched into the data folder when none is there.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10", split, SPLITS)
    root = data_root(data_dir)
    folders = places(root, _SUBFOLDERS)
    names = (*_BATCHES, f"{split}-00000-of-00001.parquet")
    forms = (*names, f"plain_text/{names[-1]}")
    for path in (folder / form for folder in folders for form in forms):
        if path.exists():
            return _exact_set(path, split)
    first = next((f / _FIRST for f in folders if (f / _FIRST).exists()), None)
    if first is not None and split == "test" and not download:
        shortfall = _SHORTFALL.format(path=first)
        return _as_set(read_first_1017(first), "cifar10", split, first, shortfall=shortfall)
    if download:
        return _exact_set(_download(root.path), split)
    wanted = ", ".join((*names, _FIRST) if split == "test" else names)
    raise not_found("cifar10", split, wanted, root, fix=_fix(root, split))


def open_cifar10_jpeg(split: str, *, data_dir: Path | None = None) -> ImageSet:
    """The JPEG copy: 10,000 test or 50,000 training pictures, each farther than 8/255 from exact.

    Layouts: SPLIT.zip, SPLIT.tar.gz or a folder SPLIT of class folders, with SPLIT_order.csv.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10-jpeg", split, SPLITS)
    root = data_root(data_dir)
    forms = (f"{split}.zip", f"{split}.tar.gz", split)
    for folder in places(root, _SUBFOLDERS):
        order = folder / f"{split}_order.csv"
        path = next((folder / form for form in forms if (folder / form).exists()), None)
        if path is not None and order.exists():
            return _as_set(read_jpegs(path, order, split), "cifar10-jpeg", split, path)
    wanted = f"{', '.join(forms)} beside {split}_order.csv"
    raise not_found("cifar10-jpeg", split, wanted, root)


def _exact_set(path: Path, split: str) -> ImageSet:
    read = read_parquet(path) if path.suffix == ".parquet" else read_batches(path, split)
    return _as_set(proved(read, split, path), "cifar10", split, path)


def _as_set(found: Pictures, name: str, split: str, path: Path, *, shortfall: str = "") -> ImageSet:
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
    )


def _fix(root: DataRoot, split: str) -> str:
    jpeg = any((folder / f"{split}_order.csv").exists() for folder in places(root, _SUBFOLDERS))
    if jpeg:
        return ", or use --data cifar10-jpeg, the lossy copy that lies there"
    return ", or allow the download"


def _download(folder: Path) -> Path:
    """Fetch the official archive into `folder`: written under another name, then renamed."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_url

    path = folder / "cifar-10-python.tar.gz"
    part = f"{path.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        download_url(CIFAR10.url, str(folder), filename=part, md5=CIFAR10.tgz_md5)
        (folder / part).replace(path)
    except (OSError, RuntimeError) as problem:
        raise DataError(
            f"CIFAR-10 could not be fetched from {CIFAR10.url} into {folder}: {problem};"
            " put cifar-10-python.tar.gz there by hand"
        ) from None
    return path
