"""The images that a model is measured on: as its card wants them, the subset that everybody draws.

No torch at import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import DataError, UsageError
from eval.files.paths import AnyPath, path_of
from zoo.cards import ForeignCard, ModelCard

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.files.download import OnProgress

SUBSET_SEED = 0
"""Of random subsets: fixed, so that everybody's `n=1000` of ImageNet is the same thousand."""

IN_ORDER = ("digits", "cifar10", "cifar10-jpeg")
"""Sets whose first N images are the subset that everybody uses; the others are drawn from."""


@dataclass(frozen=True)
class Selection:
    """Which images: the words of whoever measures, passed whole. See `images` for each."""

    data: AnyPath | None = None
    data_dir: AnyPath | None = None
    n: int | None = None
    ids: AnyPath | Sequence[str] | None = None
    balanced: bool = False
    classes: AnyPath | None = None
    allow_partial: bool = False
    skip_corrupt: bool = False
    download: bool = False
    download_to: AnyPath | None = None
    decoders: int | None = None

    def images(
        self,
        info: ModelCard,
        *,
        on_progress: OnProgress | None = None,
        on_message: Callable[[str], None] | None = None,
    ) -> ImageSet:
        """`images`, for a card."""
        found = _open(self, info, on_progress)
        check_classes(info, found)
        if self.ids is not None:
            found = found.select_ids(listed(self.ids))
        if self.n is not None:
            found = _some(found, self.n, balanced=self.balanced, is_listed=self.ids is not None)
        if self.skip_corrupt:
            found = found.without_unreadable()
        if on_message is not None:
            _tell(found, on_message)
        return found


def images(
    card_or_name: ModelCard | str,
    *,
    data: AnyPath | None = None,
    data_dir: AnyPath | None = None,
    n: int | None = None,
    ids: AnyPath | Sequence[str] | None = None,
    balanced: bool = False,
    classes: AnyPath | None = None,
    allow_partial: bool = False,
    skip_corrupt: bool = False,
    download: bool = False,
    download_to: AnyPath | None = None,
    decoders: int | None = None,
    on_progress: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
) -> ImageSet:
    """The images to measure a model on, preprocessed as its card says: (C, H, W) in [0, 1].

    The same images, in the same order, as `sat-zoo eval` takes with the same options.

    Args:
        card_or_name: of the model: a card, or a name that `zoo.card` or the Hub knows.
        data: a name of `eval.data.DATA_SETS`, or a folder with one folder of pictures for each
            class; default the card's own data set.
        data_dir: folder of the data set; only read. Default: see `eval.data.locate.data_root`.
        n: only n images: the first ones of digits and CIFAR-10, of ImageNet and folders those
            drawn with the seed `SUBSET_SEED`, of which a larger n has all.
        ids: only these, in this order: their ids, or a file that lists them.
        balanced: draw the n images evenly from all classes.
        classes: of a folder of pictures: the file that names its classes, label 0 first.
        allow_partial: accept an incomplete ImageNet, under the name "imagenet-partial".
        skip_corrupt: leave out pictures that do not decode; the Report then has a flag.
        download, download_to: fetch CIFAR-10 if it is not here, into this folder.
        decoders: processes that decode pictures; default one a core, at most 16.
        on_progress: called with the bytes that were downloaded and those of all.
        on_message: called with sentences for people: how the files lie, what was passed over.

    Raises:
        UsageError: a name that is not known, or arguments that do not go together. DataError:
        files that are missing or damaged, or whose classes are not the model's.

    """
    selection = Selection(
        data=data,
        data_dir=data_dir,
        n=n,
        ids=ids,
        balanced=balanced,
        classes=classes,
        allow_partial=allow_partial,
        skip_corrupt=skip_corrupt,
        download=download,
        download_to=download_to,
        decoders=decoders,
    )
    return selection.images(_card(card_or_name), on_progress=on_progress, on_message=on_message)


def check_classes(info: ModelCard, found: ImageSet) -> None:
    """A label must mean the same class to the data and to the model; raises `DataError` if not.

    Of arrays of the caller's own nobody said how many classes there are, only the highest label.
    """
    from eval.data.arrays import PROVED_NAMES

    fits = found.n_classes == info.classes
    if found.name not in PROVED_NAMES:
        fits = found.n_classes <= info.classes
    if fits:
        return
    fix = "use the data that the model was made for"
    if found.name == "folder":
        fix = (
            f"list the {info.classes} classes of the model, label 0 first, in a file and name it"
            " with `classes=FILE`; not every class must have a folder"
        )
    raise DataError(
        f"{found.name} has {found.n_classes} classes, but the model {info.name} tells"
        f" {info.classes} apart, so its labels mean other classes: {fix}"
    )


def check_shape(info: ModelCard, found: ImageSet) -> None:
    """Raises `UsageError` unless the images have the size and channels of the card's input."""
    got = tuple(found.batch([0]).x.shape[1:])
    takes = (info.input.channels, info.input.size, info.input.size)
    if got != takes:
        # Only of a model that is not of the zoo may a user say the size.
        other = ", or say another `size` if the model takes it"
        raise UsageError(
            f"the images of {found.name} have shape {got} and {info.name} takes {takes}: choose"
            f" images of that size{other * isinstance(info, ForeignCard)}"
        )


def no_data(who: str) -> UsageError:
    """The error that it is when nobody says which images to take."""
    return UsageError(
        f"{who} has no data set of its own: say which one with `data`, for example cifar10"
    )


def _card(card_or_name: ModelCard | str) -> ModelCard:
    if isinstance(card_or_name, ModelCard):
        return card_or_name
    from zoo.wanted import wanted

    return wanted(card_or_name).card


def _open(wanted: Selection, info: ModelCard, on_progress: OnProgress | None) -> ImageSet:
    """The whole data set; raises `UsageError` for arguments that do not go together."""
    from eval.data import open_data
    from zoo.preprocess import for_card

    if wanted.balanced and wanted.n is None:
        raise UsageError("`balanced=True` without `n`: say how many images to draw, as `n=1000`")
    if wanted.download_to is not None and not wanted.download:
        raise UsageError(f"`download_to` {wanted.download_to} without `download=True`: give both")
    if wanted.data is None and not info.dataset:
        raise no_data(info.name)
    name, folder = _named(wanted.data or info.dataset, path_of(wanted.data_dir, "data_dir"))
    _refuse_ignored(wanted, name)
    return open_data(
        name,
        data_dir=folder,
        download=wanted.download,
        download_to=path_of(wanted.download_to, "download_to"),
        on_progress=on_progress,
        classes=path_of(wanted.classes, "classes"),
        preprocess=for_card(info),
        allow_partial=wanted.allow_partial,
        n_decoders=wanted.decoders,
    )


def _refuse_ignored(wanted: Selection, name: str) -> None:
    """Raises `UsageError` for what the data set `name` has no use for."""
    if wanted.allow_partial and name != "imagenet":
        raise UsageError(f"`allow_partial=True` is for imagenet, not for {name}: leave it out")
    if wanted.decoders is not None and name not in {"imagenet", "folder"}:
        raise UsageError(
            f"`decoders` {wanted.decoders}: the pictures of {name} are not decoded by processes;"
            " leave it out"
        )
    if wanted.data_dir is not None and name == "digits":
        raise UsageError(
            f"`data_dir` {wanted.data_dir}: digits come with scikit-learn and lie in no folder;"
            " leave it out"
        )


def _tell(found: ImageSet, on_message: Callable[[str], None]) -> None:
    from eval.data.files.entries import told

    if found.name != "digits":
        on_message(f"{found.name} ({found.split}): {found.layout}")
    if found.passed_over:
        on_message(f"{found.name}: {told(found.passed_over)}")


def _named(data: AnyPath, data_dir: Path | None) -> tuple[str, Path | None]:
    """The data set that `data` means, and its folder; what looks like a path is a folder."""
    if not is_path(data):
        return str(data), data_dir
    if data_dir is not None:
        raise UsageError(f"`data` {data} is a folder, and `data_dir` {data_dir} another: give one")
    return "folder", path_of(data, "data")


def is_path(data: AnyPath | None) -> bool:
    """Whether `data` is a folder and no name of a data set."""
    from eval.data import DATA_SETS

    if not isinstance(data, str):
        return data is not None
    looks_so = "/" in data or os.sep in data or data[:1] in {".", "~"}
    return data not in DATA_SETS and (looks_so or Path(data).exists())


def listed(ids: AnyPath | Sequence[str]) -> Sequence[str]:
    """The ids: themselves, or those in a file."""
    from eval.data.ids import read_ids

    return read_ids(ids) if isinstance(ids, str | os.PathLike) else ids


def _some(found: ImageSet, n: int, *, balanced: bool, is_listed: bool) -> ImageSet:
    if balanced:
        return found.subset(n, seed=SUBSET_SEED, balanced=True)
    if is_listed or found.name in IN_ORDER:
        return found.take(n)
    return found.subset(n, seed=SUBSET_SEED)
