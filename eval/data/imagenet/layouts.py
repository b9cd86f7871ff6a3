"""The layouts in which ImageNet's validation pictures are handed around, recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.data.files.entries import Entry, Passed, counted, is_picture, is_system, sort_out
from eval.data.files.parquet import ParquetStore, list_parquet
from eval.data.files.stores import (
    ArchiveStore,
    FolderStore,
    PictureStore,
    list_folder,
    list_tars,
    list_zip,
    only,
)
from eval.data.text import lines_of
from eval.errors import DataError
from eval.files.border import border
from eval.files.record import parse_json

_TREES = ("val", "validation", "ILSVRC2012_img_val")
_ARCHIVES = tuple(f"{name}{suffix}" for name in _TREES for suffix in (".zip", ".tar"))
_COMPRESSED = tuple(f"{name}{end}" for name in _TREES for end in (".tar.gz", ".tgz", ".tar.xz"))
_PARQUET = ("", "data", "validation", "default/validation")
_SHARD = re.compile(r".*val.*-\d+\.tar")
_LABEL = re.compile(r"[0-9]{1,9}")
_MOST_LABELS = 10**9
_BESIDE = (".cls", ".json")  # read with the picture of their sample
NAMED_LIST = "val.txt"
DEVKIT_LIST = "ILSVRC2012_validation_ground_truth.txt"
_CLASS_FOLDER = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Listing:
    """Pictures found, before anything is believed about them.

    names:  for each picture what names it: its path, or the file name told beside it.
    labels: what the layout says of the classes; None where only names say it.
    passed: what lies there too and is not read.
    """

    path: Path
    layout: str
    store: PictureStore
    names: tuple[str, ...]
    labels: tuple[int, ...] | None = None
    passed: tuple[Passed, ...] = ()


def find_listing(folder: Path) -> Listing | None:
    """The first layout that lies in `folder`: a tree, an archive, parquet files, shards."""
    return _tree(folder) or _archive(folder) or _parquet_files(folder) or _shards(folder)


def reordered(store: PictureStore, order: list[int]) -> PictureStore:
    """The store of the same pictures in another order."""
    if isinstance(store, FolderStore):
        return replace(store, names=tuple(store.names[i] for i in order))
    if isinstance(store, ArchiveStore):
        return only(store, order)
    return ReorderedStore(store, tuple(order), tuple(store.names[i] for i in order))


@dataclass(frozen=True)
class ReorderedStore:
    """A store's pictures in another order, for stores whose rows cannot be moved."""

    store: PictureStore
    order: tuple[int, ...]
    names: tuple[str, ...]

    def read(self, index: int) -> bytes:
        """See `PictureStore.read`."""
        return self.store.read(self.order[index])

    def where(self, index: int) -> str:
        """See `PictureStore.where`."""
        return self.store.where(self.order[index])


def _tree(folder: Path) -> Listing | None:
    for name in (*_TREES, ""):
        path = folder / name
        if not path.is_dir() or not _is_tree(path):
            continue
        store = list_folder(path, _is_list)
        if store.names:
            return Listing(path, _shape_of(store.names), store, store.names, passed=store.passed)
    return None


def _is_tree(path: Path) -> bool:
    """Whether class folders or validation pictures lie directly in `path`."""
    try:
        return any(
            _CLASS_FOLDER.fullmatch(entry.name) or entry.name.startswith("ILSVRC2012_val_")
            for entry in path.iterdir()
        )
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from None


def _archive(folder: Path) -> Listing | None:
    for name in _ARCHIVES:
        path = folder / name
        if path.is_file():
            store = list_zip(path) if path.suffix == ".zip" else _pictures(list_tars([path]))
            if not store.names:
                raise DataError(f"{path} holds no pictures")
            layout = f"{path.suffix[1:]} of {_shape_of(store.names)}"
            return Listing(path, layout, store, store.names, passed=store.passed)
    for name in _COMPRESSED:
        if (folder / name).is_file():
            raise DataError(
                f"{folder / name} is compressed as a whole, so single pictures cannot be read;"
                " unpack it to val.tar or to a folder val"
            )
    return None


def _parquet_files(folder: Path) -> Listing | None:
    for name in _PARQUET:
        pattern = "*.parquet" if name.endswith("validation") else "val*.parquet"
        paths = sorted(p for p in (folder / name).glob(pattern) if not is_system(p.name))
        if paths:
            store: ParquetStore = list_parquet(paths, ("image", "img"))
            layout = f"parquet, {len(paths)} files"
            return Listing(paths[0].parent, layout, store, store.names, store.labels)
    return None


def _shards(folder: Path) -> Listing | None:
    paths = sorted(
        path
        for path in folder.glob("*.tar")
        if _SHARD.fullmatch(path.name) and not is_system(path.name)
    )
    if not paths:
        return None
    listed = list_tars(paths, lambda name: name.lower().endswith(_BESIDE))
    samples: dict[str, dict[str, int]] = {}
    for index, name in enumerate(listed.names):
        folder_name, _, base = name.rpartition("/")
        key, _, suffix = base.partition(".")
        of = f"{listed.pieces[index].archive}\n{folder_name}/{key}"
        samples.setdefault(of, {})[suffix.lower()] = index
    pictures: list[int] = []
    names: list[str] = []
    labels: list[int] = []
    for sample in samples.values():
        picture = next((i for suffix, i in sample.items() if is_picture(f"x.{suffix}")), None)
        if picture is not None:
            pictures.append(picture)
            names.append(_told_name(listed, picture, sample))
            labels.append(_told_label(listed, picture, sample))
    layout = f"WebDataset, {len(paths)} shards"
    passed = (*listed.passed, *_beyond(listed, pictures))
    return Listing(folder, layout, only(listed, pictures), tuple(names), tuple(labels), passed)


def _beyond(listed: ArchiveStore, chosen: Sequence[int]) -> tuple[Passed, ...]:
    """The pictures of samples that hold more than one; each sample is one picture with a class."""
    rest = set(range(len(listed.names))).difference(chosen)
    return counted(
        ("picture", "beside the one of its sample", listed.names[i])
        for i in sorted(rest)
        if is_picture(listed.names[i])
    )


def _told_name(store: ArchiveStore, picture: int, sample: dict[str, int]) -> str:
    """The picture's own name when it is an official one, else the file name told in its JSON."""
    if "json" not in sample or "ILSVRC2012_val_" in store.names[picture]:
        return store.names[picture]
    told = _json(store, sample["json"]).get("filename", store.names[picture])
    return str(told)


def _told_label(store: ArchiveStore, picture: int, sample: dict[str, int]) -> int:
    told: object = None
    if "cls" in sample:
        text = "".join(lines_of(store.read(sample["cls"]), store.where(sample["cls"]))).strip()
        told = int(text) if _LABEL.fullmatch(text) else None
    elif "json" in sample:
        told = _json(store, sample["json"]).get("label")
    if type(told) is int and 0 <= told < _MOST_LABELS:
        return told
    raise DataError(
        f"{store.where(picture)} has no class beside it: expected a .cls file with a number, or a"
        " .json file with a label"
    )


def _json(store: ArchiveStore, index: int) -> dict[str, Any]:
    with border(store.where(index), DataError, "it is not JSON; fetch it again"):
        told = parse_json("\n".join(lines_of(store.read(index), store.where(index))).encode())
    if not isinstance(told, dict):
        raise DataError(f"{store.where(index)} is not a JSON object")
    return told


def _pictures(store: ArchiveStore) -> ArchiveStore:
    return only(store, sort_out([Entry(name) for name in store.names])[0])


def _is_list(name: str) -> bool:
    """Whether a file is a list of labels, which `imagenet_truth` reads where it needs one."""
    return name.rpartition("/")[2] in {NAMED_LIST, DEVKIT_LIST}


def _shape_of(names: Sequence[str]) -> str:
    parents = {name.rpartition("/")[0].rpartition("/")[2] for name in names}
    if all(_CLASS_FOLDER.fullmatch(parent) for parent in parents):
        return "class folders"
    return "one flat folder" if len(parents) == 1 else "a mixed tree"
