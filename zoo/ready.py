"""A model and the images that it is measured on, loaded together: here, or where the workers are.

No torch at import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eval.files.paths import path_of
from zoo.cards import ModelCard
from zoo.choice import Choice, Loaded
from zoo.pictures import Selection, check_classes, check_shape, is_path, listed

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.executors.crew import Workplace
    from eval.files.download import OnProgress


@dataclass(frozen=True)
class Ready:
    """A model and the images that it is measured on, which go together."""

    loaded: Loaded
    images: ImageSet


def load_both(
    choice: Choice,
    device: str,
    chosen: Selection | ImageSet,
    on_download: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
    executor: Workplace | None = None,
) -> Ready:
    """Load the model, open the images for its card, and see that they are images for it.

    executor: where the images may lie if they are not here.

    Raises as `choice.load` and `zoo.images`; `UsageError` and `DataError` where the two do not fit.
    """
    loaded = choice.load(device)
    if isinstance(chosen, Selection):
        images = found(chosen, loaded.card, executor, on_download, on_message)
    else:
        images = chosen
    check_classes(loaded.card, images)
    check_shape(loaded.card, images)
    return Ready(loaded, images)


def found(
    selection: Selection,
    info: ModelCard,
    executor: Workplace | None,
    on_progress: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
) -> ImageSet:
    """`selection.images`; where they are not on this machine, those that workers have.

    Raises as that, and `DataError` where no worker has them either.
    """
    from eval.data.locate import DataMissing, FolderMissing

    try:
        return selection.images(info, on_progress=on_progress, on_message=on_message)
    except (DataMissing, FolderMissing):
        if executor is None:
            raise
    if on_message is not None:
        on_message("the images are not on this machine: those of the workers are taken")
    return executor.images(Chosen(_portable(selection), info))


def _portable(selection: Selection) -> Selection:
    """The same for another machine: files that are only here are read, paths are absolute."""
    paths = {
        name: path.absolute()
        for name in ("data", "data_dir", "classes")
        if name != "data" or is_path(selection.data)
        if (path := path_of(getattr(selection, name), name)) is not None
    }
    ids = None if selection.ids is None else tuple(listed(selection.ids))
    return replace(selection, ids=ids, download=False, download_to=None, **paths)


@dataclass(frozen=True)
class Chosen:
    """An `eval.data.base.Opening`: what a selection chooses for a card."""

    selection: Selection
    card: ModelCard

    def __call__(self) -> ImageSet:
        """See `Selection.images`."""
        return self.selection.images(self.card)
