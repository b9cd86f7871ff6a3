"""Data sets: ordered, labelled, with stable ids and a proved name. Loads no torch at import."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from eval.data.arrays import from_arrays, from_tensors
from eval.data.base import Batch, ImageSet
from eval.data.cifar10.cifar10 import open_cifar10, open_cifar10_folder, open_cifar10_jpeg
from eval.data.decoded import decoded_once
from eval.data.digits import open_digits
from eval.data.files.pictures import Preprocess
from eval.data.folder import open_folder
from eval.data.given import as_images
from eval.data.ids import read_ids
from eval.data.imagenet.imagenet import open_imagenet
from eval.errors import UsageError, unknown
from eval.files.download import OnProgress
from eval.files.paths import AnyPath, path_of

__all__ = [
    "DATA_SETS",
    "Batch",
    "ImageSet",
    "Preprocess",
    "as_images",
    "decoded_once",
    "from_arrays",
    "from_tensors",
    "open_data",
    "open_folder",
    "read_ids",
]

DATA_SETS = ("digits", "cifar10", "cifar10-folder", "cifar10-jpeg", "imagenet", "folder")


def open_data(
    name: str,
    *,
    data_dir: AnyPath | None = None,
    split: str | None = None,
    download: bool = False,
    download_to: AnyPath | None = None,
    on_progress: OnProgress | None = None,
    classes: AnyPath | None = None,
    preprocess: Preprocess | None = None,
    allow_partial: bool = False,
    n_decoders: int | None = None,
) -> ImageSet:
    """The split of a known data set, checked to be what `name` says.

    name:          one of `DATA_SETS`.
    data_dir:      where to look; default: see `eval.data.locate.data_root`. Never written to,
                   unless `download` asks for it (cifar10 only).
    split:         default the one that evaluations use: "test", for imagenet "val"; a folder has
                   the split "all" only.
    download:      fetch cifar10 if it is not there, into the folder `download_to`, default
                   SAT_ZOO_HOME/data; `on_progress` is told the bytes that are there and of all.
    classes:       of a folder: the file that names its classes; see `open_folder`.
    preprocess:    from a picture file to pixels, for imagenet and folder; the pictures of the
                   other sets have one size and take none.
    allow_partial: accept a part of imagenet, under the name "imagenet-partial".
    n_decoders:    processes that decode pictures; default one a core.
    Raises UsageError for an unknown name or split; DataError when the files are missing, damaged
    or not those of the data set.
    """
    data_dir, classes = path_of(data_dir, "data_dir"), path_of(classes, "classes")
    download_to = path_of(download_to, "download_to")
    how: dict[str, Any] = {"split": split, "allow_partial": allow_partial}
    how |= {"preprocess": preprocess, "n_decoders": n_decoders}
    found = _opened(
        name,
        data_dir=data_dir,
        download=download,
        download_to=download_to,
        on_progress=on_progress,
        classes=classes,
        **how,
    )
    where = data_dir or download_to
    how |= {"data_dir": where and where.absolute(), "classes": classes and classes.absolute()}
    return replace(found, opening=partial(open_data, name, **how))


def _opened(
    name: str,
    *,
    data_dir: Path | None,
    split: str | None,
    download: bool,
    download_to: Path | None,
    on_progress: OnProgress | None,
    classes: Path | None,
    preprocess: Preprocess | None,
    allow_partial: bool,
    n_decoders: int | None,
) -> ImageSet:
    if name not in DATA_SETS:
        raise unknown("data set", name, DATA_SETS)
    if download and name != "cifar10":
        raise UsageError(f"{name} cannot be downloaded; only cifar10 can")
    if classes is not None and name != "folder":
        raise UsageError(f"{name} has its own classes; a file of classes is for a folder of yours")
    if name == "digits":
        return open_digits(split or "test")
    if name == "cifar10":
        return open_cifar10(
            split or "test",
            data_dir=data_dir,
            download=download,
            download_to=download_to,
            on_progress=on_progress,
        )
    if name == "cifar10-folder":
        return open_cifar10_folder(split or "test", data_dir=data_dir)
    if name == "cifar10-jpeg":
        return open_cifar10_jpeg(split or "test", data_dir=data_dir)
    if name == "folder":
        if split not in {None, "all"}:
            raise unknown("split of folder", str(split), ("all",))
        return open_folder(data_dir, preprocess=preprocess, classes=classes, n_decoders=n_decoders)
    return open_imagenet(
        split or "val",
        data_dir=data_dir,
        preprocess=preprocess,
        allow_partial=allow_partial,
        n_decoders=n_decoders,
    )
