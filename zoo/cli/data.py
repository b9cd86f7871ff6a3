"""The options that choose images, shared by commands, and the images they choose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from eval.data import ImageSet
    from zoo.cards import ModelCard

SUBSET_SEED = 0
"""Of ImageNet's random subsets: fixed, so that everybody's `--n 1000` is the same thousand."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `chosen_images` understands."""
    options = (
        click.option("--data", "data_name", help="Data set.  [default: the model's own]"),
        click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set."),
        click.option("--n", type=int, help="Only the first N images (ImageNet: a fixed subset)."),
        click.option("--ids", type=click.Path(path_type=Path), help="Only the ids in this file."),
        click.option("--allow-partial", is_flag=True, help="Accept an incomplete ImageNet."),
        click.option("--skip-corrupt", is_flag=True, help="Leave out pictures that do not decode."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_images(
    info: ModelCard,
    *,
    data_name: str | None,
    data_dir: Path | None,
    n: int | None,
    ids: Path | None,
    allow_partial: bool,
    skip_corrupt: bool,
) -> ImageSet:
    """The images that the options name, preprocessed as the card of the model says."""
    from eval.data import open_data
    from eval.data.ids import read_ids
    from zoo.preprocess import for_card

    images = open_data(
        data_name or info.dataset,
        data_dir=data_dir,
        preprocess=for_card(info),
        allow_partial=allow_partial,
    )
    if ids is not None:
        images = images.select_ids(read_ids(ids))
    if n is not None:
        is_imagenet = images.name.startswith("imagenet") and ids is None
        images = images.subset(n, seed=SUBSET_SEED) if is_imagenet else images.take(n)
    return images.without_unreadable() if skip_corrupt else images
