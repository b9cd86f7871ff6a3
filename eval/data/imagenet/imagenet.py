"""ImageNet's validation pictures (ILSVRC 2012), in whichever usual layout they lie.

The official order is that of the file numbers, ILSVRC2012_val_00000001 to _00050000, and these
names are the ids. The labels of all 50,000 numbers are known here, so no ground-truth file is
needed, and what a layout says about a picture's class must agree with them. Pixels cannot be
proved: nobody published a digest of the single files.
Source: O. Russakovsky et al. 2015, arXiv 1409.0575; the labels are those of TensorFlow's slim and
of TensorFlow Datasets 4.9, class 0 to 999 in the sorted order of the synset names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.data.base import ImageSet
from eval.data.files.files import picture_set
from eval.data.files.pictures import Preprocess
from eval.data.imagenet.layouts import Listing, find_listing, reordered
from eval.data.imagenet.truth import with_truth
from eval.data.locate import data_root, not_found, places
from eval.data.text import lines_of
from eval.errors import DataError, UsageError, unknown

SPLITS = ("val",)
N_IMAGES = 50_000
_SUBFOLDERS = ("imagenet", "imagenet-1k", "ILSVRC2012", "ILSVRC/Data/CLS-LOC")
_BRING_IT = (
    "; nobody may pass it on: https://image-net.org/download.php gives ILSVRC2012_img_val.tar to"
    " whoever registers, for research"
)
_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})")
_SYNSET = re.compile(r"n\d{8}")


def open_imagenet(
    split: str,
    *,
    data_dir: Path | None = None,
    preprocess: Preprocess | None = None,
    allow_partial: bool = False,
    n_decoders: int | None = None,
) -> ImageSet:
    """The 50,000 validation pictures, decoded and preprocessed when asked for.

    allow_partial: accept a part of them; the set is then named "imagenet-partial".
    Layouts: class folders or one flat folder (`val/`), a zip or tar of either, the Hub's parquet
    files, WebDataset shards; `ImageSet.layout` says which. A list of labels beside a flat folder
    (`val.txt`, the devkit's ground truth) must agree with the built-in labels.
    Raises UsageError without a preprocessing; DataError for no or an incomplete tree, and for
    the first picture whose name or class is not the official one.
    """
    if split not in SPLITS:
        raise unknown("split of imagenet", split, SPLITS)
    if preprocess is None:
        raise UsageError(
            "the pictures of imagenet have many sizes: give the preprocessing of the model, such"
            " as zoo.preprocess.for_card(card)"
        )
    root = data_root(data_dir, "imagenet")
    listing = next(filter(None, map(find_listing, places(root, _SUBFOLDERS))), None)
    if listing is None:
        wanted = (
            "val/ with class folders or ILSVRC2012_val_*.JPEG, a zip or tar of it,"
            " validation-*.parquet, imagenet*-val*-NN.tar"
        )
        raise not_found("imagenet", split, wanted, root, fix=_BRING_IT)
    listing = with_truth(listing, val_labels())
    _check_folders(listing)
    numbers = official_numbers(listing)
    if not allow_partial:
        _check_complete(numbers, listing)
    order = np.argsort(numbers)
    is_whole = len(numbers) == N_IMAGES
    return picture_set(
        reordered(listing.store, order.tolist()),
        val_labels()[np.array(numbers)[order] - 1],
        [f"ILSVRC2012_val_{numbers[i]:08d}" for i in order],
        preprocess,
        name="imagenet" if is_whole else "imagenet-partial",
        split=split,
        n_classes=1000,
        official_subset=is_whole,
        layout=listing.layout,
        n_decoders=n_decoders,
        passed_over=listing.passed,
    )


def official_numbers(listing: Listing) -> list[int]:
    """The official number, 1 to 50,000, of each listed picture; checked against its class.

    A layout without file names is accepted when its labels, one by one, are the official ones.
    """
    found = [_NUMBER.search(name) for name in listing.names]
    if listing.labels is not None and not any(found):
        if np.array_equal(listing.labels, val_labels()[: len(listing.labels)]):
            return list(range(1, len(listing.labels) + 1))
        raise DataError(
            f"{listing.store.where(0)} has no official name, and the labels are not in the"
            " official order, so its pictures cannot be told apart; use another copy"
        )
    numbers = [int(match.group(1)) if match else 0 for match in found]
    seen: set[int] = set()
    for index, number in enumerate(numbers):
        if not 1 <= number <= N_IMAGES:
            raise _mismatch(listing, index, "is not named ILSVRC2012_val_00000001 to _00050000")
        if number in seen:
            raise _mismatch(listing, index, "is there twice")
        seen.add(number)
        _check_class(listing, index, int(val_labels()[number - 1]))
    return numbers


def _check_class(listing: Listing, index: int, label: int) -> None:
    """What the layout says of the class: a label, or a synset in the name or the folders."""
    official = synsets()[label]
    if listing.labels is not None and listing.labels[index] != label:
        said = f"has label {listing.labels[index]}, but its official class is {label}"
        raise _mismatch(listing, index, f"{said} ({official}); labels follow the sorted synsets")
    said_synset = _SYNSET.findall(listing.names[index])
    if said_synset and said_synset[-1] != official:
        known = "" if said_synset[-1] in synsets() else ", which is none of the 1,000"
        raise _mismatch(
            listing, index, f"is given as {said_synset[-1]}{known}, but its class is {official}"
        )


def _check_folders(listing: Listing) -> None:
    """No class folder too many, though it may be empty: other loaders would count it as a class."""
    if listing.layout != "class folders" or not listing.path.is_dir():
        return
    there = sorted(entry.name for entry in listing.path.iterdir() if entry.is_dir())
    extra = [name for name in there if _SYNSET.fullmatch(name) and name not in synsets()]
    filled = {name.split("/")[0] for name in listing.names}
    hollow = next((name for name in extra if name not in filled), None)
    if hollow is not None:
        raise DataError(
            f"{listing.path / hollow} is an empty class folder too many: {hollow} is none of"
            " ImageNet's 1,000 classes; move it away"
        )


def _check_complete(numbers: Sequence[int], listing: Listing) -> None:
    if len(numbers) == N_IMAGES:
        return
    missing = min(set(range(1, N_IMAGES + 1)) - set(numbers))
    raise DataError(
        f"{listing.path} ({listing.layout}) holds {len(numbers)} of {N_IMAGES} validation pictures;"
        f" the first missing one is ILSVRC2012_val_{missing:08d}; complete it, or accept a part"
        " with `allow_partial=True`"
    )


def _mismatch(listing: Listing, index: int, what: str) -> DataError:
    return DataError(
        f"{listing.path} ({listing.layout}) is not ImageNet's validation set:"
        f" {listing.store.where(index)} {what}; for other pictures use `open_data('folder')`"
    )


_HERE = resources.files("eval.data.imagenet")


@cache
def synsets() -> tuple[str, ...]:
    """The 1,000 synset names in label order, which is their sorted order."""
    path = _HERE.joinpath("imagenet_synsets.txt")
    return tuple(lines_of(path.read_bytes(), str(path)))


@cache
def val_labels() -> NDArray[np.uint16]:
    """(50000,) uint16, read-only: the class of validation picture 1, 2, ..."""
    with _HERE.joinpath("imagenet_val_labels.npy").open("rb") as stream:
        labels: NDArray[np.uint16] = np.load(stream, allow_pickle=False)
    labels.flags.writeable = False
    return labels
