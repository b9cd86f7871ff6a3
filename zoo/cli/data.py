"""The options that choose images, shared by commands, and the images they choose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.errors import DataError, UsageError

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.data.download import OnProgress
    from zoo.cards import ModelCard

SUBSET_SEED = 0
"""Of random subsets: fixed, so that everybody's `--n 1000` of ImageNet is the same thousand."""

IN_ORDER = ("digits", "cifar10", "cifar10-jpeg")
"""Sets whose first N images are the subset that everybody uses; the others are drawn from."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `chosen_images` understands."""
    path = click.Path(path_type=Path)
    options = (
        click.option(
            "--data",
            "data_name",
            metavar="NAME|PATH",
            help="Data set, or a folder with one folder of pictures for each class."
            "  [default: the model's own]",
        ),
        click.option("--data-dir", type=path, help="Folder of the data set; only read."),
        click.option(
            "--classes",
            type=path,
            metavar="FILE",
            help="The class folders' names of --data PATH, one a line, label 0 first."
            "  [default: classes.txt there, else sorted]",
        ),
        click.option(
            "--n", type=int, help="Only N images: the first ones; of ImageNet and folders drawn."
        ),
        click.option("--balanced", is_flag=True, help="Draw the N images evenly from all classes."),
        click.option("--ids", type=path, metavar="FILE", help="Only the ids in this file."),
        click.option("--allow-partial", is_flag=True, help="Accept an incomplete ImageNet."),
        click.option("--skip-corrupt", is_flag=True, help="Leave out pictures that do not decode."),
        click.option("--download", is_flag=True, help="Fetch CIFAR-10 (170 MB) if it is not here."),
        click.option(
            "--download-to",
            type=path,
            metavar="DIR",
            help="Where --download puts it.  [default: SAT_ZOO_HOME/data]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(0),
            help="Processes that decode pictures.  [default: one a core, at most 16]",
        ),
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
    classes: Path | None = None,
    balanced: bool = False,
    download: bool = False,
    download_to: Path | None = None,
    workers: int | None = None,
) -> ImageSet:
    """The images that the options name, preprocessed as the card of the model says.

    Says on stderr in which layout picture files were found and what was passed over there. Raises
    UsageError for options that do not go together; DataError for images that are no data for the
    model.
    """
    from eval.data import open_data
    from eval.data.entries import told
    from eval.data.ids import read_ids
    from zoo.preprocess import for_card

    if balanced and n is None:
        raise UsageError("--balanced without --n: say how many images to draw, as --n 1000")
    if download_to is not None and not download:
        raise UsageError(f"--download-to {download_to} without --download: give both")
    name, folder = _named(data_name or info.dataset, data_dir)
    with _download_bar() as on_progress:
        images = open_data(
            name,
            data_dir=folder,
            download=download,
            download_to=download_to,
            on_progress=on_progress,
            classes=classes,
            preprocess=for_card(info),
            allow_partial=allow_partial,
            n_workers=workers,
        )
    _check_classes(info, images)
    if ids is not None:
        images = images.select_ids(read_ids(ids))
    if n is not None:
        images = _some(images, n, balanced=balanced, is_listed=ids is not None)
    if skip_corrupt:
        images = images.without_unreadable()
    if images.name != "digits":
        click.echo(f"sat-zoo: {images.name} ({images.split}): {images.layout}", err=True)
    if images.passed_over:
        click.echo(f"sat-zoo: {images.name}: {told(images.passed_over)}", err=True)
    return images


def _named(data: str, data_dir: Path | None) -> tuple[str, Path | None]:
    """The data set that --data means, and its folder; what looks like a path is a folder."""
    from eval.data import DATA_SETS

    is_path = data not in DATA_SETS and (
        "/" in data or os.sep in data or data[:1] in {".", "~"} or Path(data).exists()
    )
    if not is_path:
        return data, data_dir
    if data_dir is not None:
        raise UsageError(f"--data {data} is a folder, and --data-dir {data_dir} another: give one")
    return "folder", Path(data)


def _some(images: ImageSet, n: int, *, balanced: bool, is_listed: bool) -> ImageSet:
    if balanced:
        return images.subset(n, seed=SUBSET_SEED, balanced=True)
    if is_listed or images.name in IN_ORDER:
        return images.take(n)
    return images.subset(n, seed=SUBSET_SEED)


def _check_classes(info: ModelCard, images: ImageSet) -> None:
    """Before any attack: a label means the same class to the data and to the model."""
    if images.n_classes == info.classes:
        return
    fix = "use the data that the model was made for"
    if images.name == "folder":
        fix = (
            f"list the {info.classes} classes of the model, label 0 first, in a file and name it"
            " with --classes; not every class must have a folder"
        )
    raise DataError(
        f"{images.name} has {images.n_classes} classes, but the model {info.name} tells"
        f" {info.classes} apart, so its labels mean other classes: {fix}"
    )


@contextmanager
def _download_bar() -> Iterator[OnProgress]:
    """A bar on stderr, which appears with the first bytes."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:

        def update(done: int, total: int | None) -> None:
            task = bar.task_ids[0] if bar.task_ids else bar.add_task("fetching", total=total)
            bar.update(task, completed=done)

        yield update
