"""The lossy copy of CIFAR-10: 60,000 JPEG files in class folders, put into official order."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from eval.data.cifar10.exact import Pictures
from eval.data.files.packed import opened_tar, read_member, refuse_twice, tar_members
from eval.data.files.pictures import open_picture
from eval.data.files.stores import list_zip
from eval.data.text import read_lines
from eval.errors import DataError
from eval.files.border import border, plain, read_bytes
from eval.files.limits import check

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
# SHA-256 over the JPEG files joined in official order, and over the labels as bytes. The decoded
# pixels are not pinned: decoders may differ by a level.
_FILES: Mapping[str, str] = MappingProxyType(
    {
        "test": "fe67ed4242ac58ea0271e7183f3420239c53ea2318b449b430d4090c9cac446b",
        "train": "dded48954ba117b69295fb311fee3890c6814612e16fc43d8152ce8daa89bd91",
    }
)
_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
        "train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    }
)


_WHAT = "the order of CIFAR-10"
_REMEDY = "the copy is damaged or incomplete; fetch it again"


def read_jpegs(path: Path, order: Path, split: str) -> Pictures:
    """The split from `path` (zip, tar.gz or folder of class folders) in the order of the csv file.

    Raises DataError when the files or the order are not those of the known copy.
    """
    names, labels = _read_order(order, split)
    contents = list(_read_files(path, names))
    digest = hashlib.sha256()
    for data in contents:
        digest.update(data)
    if digest.hexdigest() != _FILES[split]:
        raise DataError(
            f"{path} is not the known JPEG copy of CIFAR-10: in official order its files have"
            f" sha256 {digest.hexdigest()[:12]}, expected {_FILES[split][:12]}; fetch it again"
        )
    return Pictures(_decode_all(contents, path), labels)


def _read_order(order: Path, split: str) -> tuple[list[str], NDArray[np.uint8]]:
    names, classes = read_order(order, "file"), read_order(order, "class")
    stranger = next((one for one in classes if one not in CLASSES), None)
    if stranger is not None:
        raise DataError(f"{order} cannot be read as {_WHAT}: {stranger!a} is no class of it")
    labels = np.array([CLASSES.index(one) for one in classes], np.uint8)
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    if digest != _LABELS[split]:
        raise DataError(
            f"{order} does not give the official order of the {split} split: its {len(labels)}"
            f" labels have sha256 {digest[:12]}, expected {_LABELS[split][:12]}; fetch it again"
        )
    return names, labels


def read_order(order: Path, column: str) -> list[str]:
    """One column of an order file, a line a picture."""
    lines = read_lines(order, _WHAT)
    with border(order, DataError, f"it is not {_WHAT}; fetch it again"):
        rows = csv.DictReader(line for line in lines if line)
        if column not in (rows.fieldnames or ()):
            raise ValueError(f"it has no column {column}")
        return [(row[column] or "").strip() for row in rows]


def _read_files(path: Path, names: list[str]) -> Iterator[bytes]:
    """The files in the order of `names`, which are together no larger than such a copy can be."""
    n_bytes = 0
    for name, content in zip(names, _contents(path, names), strict=True):
        n_bytes += len(content)
        with border(f"{path}: {name}", DataError, _REMEDY):
            check("unpacked_bytes", n_bytes, "bytes with all before it")
        yield content


def _contents(path: Path, names: list[str]) -> Iterator[bytes]:
    if path.is_dir():
        for name in names:
            with border(path / name, DataError, _REMEDY):
                content = read_bytes(path / name, "picture_bytes")
            yield content
    elif path.suffix == ".zip":
        store = list_zip(path)
        place = {name: i for i, name in enumerate(store.names)}
        for name in names:
            if name not in place:
                raise _lacking(path, name)
            yield store.read(place[name])
    else:
        yield from _of_tar(path, names)


def _of_tar(path: Path, names: list[str]) -> Iterator[bytes]:
    wanted = set(names)
    found: dict[str, bytes] = {}
    with border(path, DataError, _REMEDY), opened_tar(path) as file:
        for member in tar_members(file):
            if member.name in wanted:
                refuse_twice((*found.keys() & {member.name}, member.name))
                found[member.name] = read_member(file, member, "picture_bytes")
    for name in names:
        if name not in found:
            raise _lacking(path, name)
        yield found[name]


def _lacking(path: Path, name: str) -> DataError:
    return DataError(f"{path} is damaged or incomplete: it lacks {plain(name)}; fetch it again")


def _decode_all(contents: list[bytes], path: Path) -> NDArray[np.uint8]:
    """The files as (N, 3, 32, 32) uint8.

    In one thread: for pictures this small, threads spend more on taking turns than they gain.
    """
    images = np.empty((len(contents), 3, 32, 32), np.uint8)
    for i, content in enumerate(contents):
        pixels = np.asarray(open_picture(content, f"{path}: picture {i}", ("JPEG",)))
        if pixels.shape != (32, 32, 3):
            raise DataError(f"{path}: picture {i} has shape {pixels.shape}, expected (32, 32, 3)")
        images[i] = pixels.transpose(2, 0, 1)
    return images
