"""What a Report says of the pictures of data sets that we know: their ids, labels and pixels.

The pictures themselves need not be there: digits come with scikit-learn, ImageNet's labels with
this package, and of CIFAR-10 it keeps digests. No torch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from eval.errors import ReportError
from eval.files.border import plain
from eval.report.known import FULL, known_name, official_ids
from eval.report.report import Report

SPLITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "digits": ("test", "train"),
        "cifar10": ("test", "train"),
        "cifar10-jpeg": ("test", "train"),
        "imagenet": ("val",),
        "imagenet-partial": ("val",),
    }
)
"""Of the data sets whose pictures a loader of ours has proved: nothing else has these names."""

_N_CLASSES = {"digits": 10, "cifar10": 10, "cifar10-jpeg": 10, "cifar100": 100, "imagenet": 1000}
_N_CLASSES["imagenet-partial"] = 1000

_IMAGENET = re.compile(r"ILSVRC2012_val_(\d{8})")
_POSITION = re.compile(r"0|[1-9]\d{0,4}")

# Of all 360 test images of digits, so that scikit-learn is asked for other choices alone: SHA-256
# of lines "ID LABEL", and of the pixels as in a Report.
_DIGITS = "8b002e51bcb20506cfbcd59552989aa95a0985c0069e13ec56f78dfeb353eb10"
_DIGITS_PIXELS = "f8da3231f745dc76e21dcafa7258f107bdbb5603cbb47ac1807f3c667b241b70"


def check_images(report: Report) -> None:
    """Raises `ReportError`, without the file's name, for images that a data set does not have."""
    if fault := next(_faults(report), None):
        raise ReportError(fault)


def _faults(report: Report) -> Iterator[str]:
    data = report.data
    key = known_name(data.name)
    if key is not None and key != data.name:
        yield (
            f"data.name is {plain(data.name)!r}, which reads as {key}, the name of a data set that"
            f" is known: call it {key} if its images are those, else give them a name of their own"
        )
    n_whole = FULL.get(data.name)
    if data.split in {"test", "val"} and n_whole is not None and data.n > n_whole:
        yield f"data.n is {data.n}, but {data.name} has {n_whole} images"
    splits = SPLITS.get(data.name)
    if splits is not None and data.split not in splits:
        yield (
            f"data.split is {plain(data.split)!r}, but the data set {data.name} has"
            f" {' and '.join(splits)}"
        )
    if data.official_subset and splits is None:
        yield (
            f"data.official_subset is true, but the order of {plain(data.name)} is not known here:"
            " evaluate its images again, as a folder or array of your own"
        )
    official = official_ids(data.name, data.n) if data.official_subset else None
    if official is not None and list(report.images.ids) != list(official):
        yield (
            f"data.official_subset is true, but the ids are not those of the first {data.n} images"
            f" of {data.name}"
        )
    if report.model.classes < _N_CLASSES.get(data.name, 0):
        yield (
            f"model.classes is {report.model.classes}, but {data.name} has"
            f" {_N_CLASSES[data.name]} classes"
        )
    if splits is not None:
        yield from _strange_images(report)


def _strange_images(report: Report) -> Iterator[str]:
    """Of a data set that we know: ids that it lacks, labels and pixels that are not those."""
    data, images = report.data, report.images
    if data.name == "digits":
        yield from _faults_in_digits(report)
        return
    for image_id, label in zip(images.ids, images.labels, strict=True):
        if data.name.startswith("imagenet"):
            fault = _fault_in_imagenet(image_id, label)
        else:
            fault = _fault_in_cifar10(data.split, image_id, label)
        if fault:
            yield f"images: {fault} in {data.name} ({data.split})"
    if (wanted := _pixels_of_cifar10(report)) and not data.pixels_sha256.startswith(wanted):
        yield _other_pixels(report, wanted)


def _other_pixels(report: Report, wanted: str) -> str:
    data = report.data
    return (
        f"data.pixels_sha256 is {data.pixels_sha256[:12]}, but these {data.n} images of"
        f" {data.name} ({data.split}) have {wanted[:12]}: other pictures were attacked"
    )


def _fault_in_imagenet(image_id: str, label: int) -> str:
    found = _IMAGENET.fullmatch(image_id)
    if found is None or not 0 < int(found[1]) <= FULL["imagenet"]:
        return f"there is no image {plain(image_id, 60)!r}"
    wanted = _imagenet_labels()[int(found[1]) - 1]
    return "" if label == wanted else f"image {image_id} has label {label}, but it is {wanted}"


def _fault_in_cifar10(split: str, image_id: str, label: int) -> str:
    n = 50_000 if split == "train" else FULL["cifar10"]
    if _POSITION.fullmatch(image_id) is None or int(image_id) >= n:
        return f"there is no image {plain(image_id, 60)!r}"
    if split == "train" or _mark(image_id, label) == _cifar10().labels[int(image_id)]:
        return ""
    return f"image {image_id} has label {label}, which is not its own"


@lru_cache(maxsize=2**14)
def _mark(image_id: str, label: int) -> int:
    """One byte of the digest of a test image's label: two labels share it in 1 of 256."""
    return hashlib.sha256(f"cifar10 test {image_id} {label}".encode()).digest()[0]


def _pixels_of_cifar10(report: Report) -> str:
    """The first digits of the digest that the exact pixels have, where these are known; else ""."""
    data = report.data
    if data.name != "cifar10" or data.split != "test" or not _is_first(report):
        return ""
    known = _cifar10().pixels
    return known[data.n - 1] if data.n <= len(known) else ""


def _is_first(report: Report) -> bool:
    ids = report.images.ids
    return all(image_id == str(i) for i, image_id in enumerate(ids))


def _faults_in_digits(report: Report) -> Iterator[str]:
    data, images = report.data, report.images
    lines = "\n".join(map("{} {}".format, images.ids, images.labels)).encode()
    if hashlib.sha256(lines).hexdigest() == _DIGITS:
        if data.pixels_sha256 != _DIGITS_PIXELS:
            yield _other_pixels(report, _DIGITS_PIXELS)
        return
    from eval.data.digits import open_digits

    whole = open_digits(data.split)
    label_of = dict(zip(whole.ids, map(int, whole.labels), strict=True))
    for image_id, label in zip(images.ids, images.labels, strict=True):
        wanted = label_of.get(image_id)
        if wanted is None:
            yield f"images: there is no image {plain(image_id, 60)!r} in digits ({data.split})"
            return
        if wanted != label:
            yield f"images: image {image_id} has label {label}, but it is {wanted} in digits"
            return
    wanted_pixels = whole.select_ids(images.ids).pixels_sha256()
    if data.pixels_sha256 != wanted_pixels:
        yield _other_pixels(report, wanted_pixels)
    if data.official_subset and images.ids != whole.ids[: data.n]:
        yield (
            f"data.official_subset is true, but the ids are not those of the first {data.n} images"
            " of digits"
        )


class _Cifar10(NamedTuple):
    """Of the test images: the mark of each label, and by n, digests of the pixels of the first."""

    labels: bytes
    pixels: Sequence[str]


_PIXEL_BYTES = 6
"""Kept of each digest of pixels."""


@cache
def _cifar10() -> _Cifar10:
    path = Path(__file__).parent / "data" / "cifar10" / "digests.json"
    kept = {name: base64.b64decode(text) for name, text in json.loads(path.read_bytes()).items()}
    pixels, size = kept["pixels"].hex(), 2 * _PIXEL_BYTES
    return _Cifar10(kept["labels"], [pixels[i : i + size] for i in range(0, len(pixels), size)])


@cache
def _imagenet_labels() -> Sequence[int]:
    from eval.data.imagenet.imagenet import val_labels

    found: list[int] = val_labels().tolist()
    return found
