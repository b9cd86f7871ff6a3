"""The exact pictures of CIFAR-10: reading the published layouts, and proving what was read.

Whatever the layout, the proof is one: written as the official binary records (label byte, then
3,072 pixel bytes), every 10,000 pictures must have the SHA-256 of an official `.bin` batch.
"""

from __future__ import annotations

import hashlib
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from eval.data.files.entries import is_system
from eval.data.files.npz import read_npz
from eval.data.files.packed import opened_tar, read_member, tar_members
from eval.data.files.parquet import list_parquet
from eval.data.files.pictures import open_picture, to_rgb
from eval.errors import DataError
from eval.files.border import border, read_bytes

BLOCK = 10_000
_OPERATIONS = 200_000  # of the program that a batch is; the official ones have 40,000
_MEMBERS = 1_000  # of an archive of batches; the official ones have nine
_REMEDY = "it is damaged or not the official file of CIFAR-10; fetch it again"
_PIXELS = 3 * 32 * 32
# SHA-256 of the official binary batches, in official order. Source: the data set tables of the
# Ruby torchvision; the SHA-1 of the same files in MXNet's gluon names the same batches.
OFFICIAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "test": ("8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",),
        "train": (
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        ),
    }
)
# The first 1,017 official test pictures: SHA-256 of uint8 NHWC pixels, then of the label bytes.
_FIRST_N = 1017
_FIRST_PIXELS = "48bde46fb9080c13770d6a8c4163dc24cff90c2802470aa26c4d6c392faf50f3"
_FIRST_LABELS = "c5cc3963df7952a390249eaf62a93a87c0fd0f0f2c0a4172c3f19c0a634b6e68"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures of a split, not yet or already proved.

    images: (N, 3, 32, 32) uint8; labels: (N,) uint8.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def proved(found: Pictures, split: str, path: Path) -> Pictures:
    """`found` in official order, once every block of 10,000 is shown to be an official batch.

    Blocks may come in any order: the Hub's copy has the training batches as 4, 3, 2, 5, 1.
    Raises DataError when the count is wrong or a block is not official.
    """
    official = OFFICIAL[split]
    if len(found.labels) != BLOCK * len(official):
        raise DataError(
            f"{path} holds {len(found.labels)} pictures of the {split} split of CIFAR-10, expected"
            f" {BLOCK * len(official)}; fetch it again"
        )
    records = np.concatenate([found.labels[:, None], found.images.reshape(-1, _PIXELS)], axis=1)
    digests = [
        hashlib.sha256(records[start : start + BLOCK].tobytes()).hexdigest()
        for start in range(0, len(records), BLOCK)
    ]
    for k, digest in enumerate(digests):
        if digest not in official:
            raise DataError(
                f"{path} is not the official CIFAR-10: its {split} pictures"
                f" {k * BLOCK} to {(k + 1) * BLOCK - 1} have sha256 {digest[:12]} as binary"
                " records, which no official batch has; fetch it again"
            )
    if sorted(digests) != sorted(official):
        raise DataError(f"{path} holds a batch of CIFAR-10 ({split}) twice; fetch it again")
    order = np.concatenate(
        [np.arange(BLOCK) + BLOCK * digests.index(digest) for digest in official]
    )
    return Pictures(found.images[order], found.labels[order])


def read_python_batch(data: bytes, path: Path) -> Pictures:
    """One file of `cifar-10-batches-py`.

    The file is a pickle of 2009, and a pickle is a program: it is not run here. Its operations
    are listed, and the labels and the pixel string are taken from the list.
    """
    labels: list[int] = []
    pixels = b""
    in_labels = False
    with border(path, DataError, _REMEDY):
        for n, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if n > _OPERATIONS:
                raise ValueError(f"it is a program of more than {_OPERATIONS:,} steps")
            if isinstance(argument, str) and "STRING" in operation.name:
                in_labels = argument == "labels"
                if len(argument) > len(pixels):
                    pixels = argument.encode("latin-1")
            elif in_labels and isinstance(argument, int) and operation.name == "BININT1":
                labels.append(argument)
    if len(pixels) != len(labels) * _PIXELS or not labels:
        raise _damaged(path, f"{len(labels)} labels beside {len(pixels)} bytes of pixels")
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 32, 32)
    return Pictures(images, np.array(labels, np.uint8))


def read_binary_batch(data: bytes, path: Path) -> Pictures:
    """One file of `cifar-10-batches-bin`: records of a label byte and 3,072 pixel bytes."""
    if not data or len(data) % (1 + _PIXELS):
        raise _damaged(path, f"{len(data)} bytes are not records of {1 + _PIXELS} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return Pictures(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])


def read_batches(path: Path, split: str) -> Pictures:
    """The split from a folder of batches or a tar.gz of one, in the python or the binary layout."""
    python = "-py" in path.name or "-python" in path.name
    suffix = "" if python else ".bin"
    names = [f"data_batch_{k}{suffix}" for k in range(1, 6)]
    if split == "test":
        names = [f"test_batch{suffix}"]
    contents = _folder_members(path, names) if path.is_dir() else _tar_members(path, names)
    read: Callable[[bytes, Path], Pictures] = read_python_batch if python else read_binary_batch
    parts = [read(contents[name], path / name) for name in names]
    return Pictures(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def read_parquet(path: Path) -> Pictures:
    """The Hub's parquet file of a split: PNG files in the column img, labels beside them."""
    store = list_parquet([path], ("img", "image"))
    if not set(store.labels) <= set(range(10)):
        raise _damaged(path, "its labels are not 0 to 9")
    images = np.empty((len(store.labels), 3, 32, 32), np.uint8)
    for i in range(len(images)):
        pixels = to_rgb(open_picture(store.read(i), store.where(i)))
        if pixels.shape != (32, 32, 3):
            raise _damaged(path, f"picture {i} has shape {pixels.shape}")
        images[i] = pixels.transpose(2, 0, 1)
    return Pictures(images, np.array(store.labels, np.uint8))


def read_first_1017(path: Path) -> Pictures:
    """`official_test_first_1017.npz`, proved by the digests of its pixels and labels."""
    with border(path, DataError, _REMEDY):
        images, labels = read_npz(path, ("images", "labels"), "batch_bytes")
    if images.dtype != np.uint8 or labels.dtype != np.uint8 or labels.shape != (_FIRST_N,):
        raise _damaged(path, f"its arrays are {images.dtype} and {labels.dtype}{labels.shape}")
    digests = [
        hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in (images, labels)
    ]
    if images.shape != (_FIRST_N, 32, 32, 3) or digests != [_FIRST_PIXELS, _FIRST_LABELS]:
        raise _damaged(
            path, f"its pixels have sha256 {digests[0][:12]}, expected {_FIRST_PIXELS[:12]}"
        )
    return Pictures(images.transpose(0, 3, 1, 2), labels)


def _folder_members(folder: Path, names: list[str]) -> dict[str, bytes]:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} is incomplete: {missing[0]} is missing; fetch it again")
    found = {}
    for name in names:
        with border(folder / name, DataError, _REMEDY):
            found[name] = read_bytes(folder / name, "batch_bytes")
    return found


def _tar_members(path: Path, names: list[str]) -> dict[str, bytes]:
    """The members of these names, wherever they lie; what comes behind the last is not looked at.

    Of two of one name the first is taken: the pictures are proved, whichever it was.
    """
    found: dict[str, bytes] = {}
    with border(path, DataError, _REMEDY), opened_tar(path) as file:
        for n, member in enumerate(tar_members(file), 1):
            if n > _MEMBERS:
                raise ValueError(f"it has more than {_MEMBERS:,} members, and not these batches")
            name = PurePosixPath(member.name).name
            if name in names and name not in found and not is_system(member.name):
                found[name] = read_member(file, member, "batch_bytes")
            if len(found) == len(names):
                break
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{path} is incomplete: {missing[0]} is missing; fetch it again")
    return found


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is damaged or not the official file of CIFAR-10 ({why}); fetch it again"
    )
