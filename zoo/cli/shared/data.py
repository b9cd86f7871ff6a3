"""The options that choose images, shared by commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.files.arriving import lines
from zoo.cli.shared.completing import complete_data_or_files
from zoo.cli.shared.console import is_quiet, remark
from zoo.pictures import Selection

if TYPE_CHECKING:
    from eval.files.download import OnProgress


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `zoo.images` understands; `chosen_images` collects them."""
    path = click.Path(path_type=Path)
    options = (
        click.option(
            "--data",
            metavar="NAME|PATH",
            shell_complete=complete_data_or_files,
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
            "--decoders",
            type=click.IntRange(0),
            help="Processes that decode pictures.  [default: one a core, at most 16]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_images(options: dict[str, Any]) -> Selection:
    """The images that the options of `data_options` mean; these are taken out of `options`."""
    return Selection(**{one.name: options.pop(one.name) for one in fields(Selection)})


@contextmanager
def download_bar() -> Iterator[OnProgress]:
    """A bar on stderr, from the first byte to the last; where that is no terminal, lines."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, soft_wrap=True)
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    if is_quiet() or not console.is_terminal:
        yield lines("the data set", remark)  # which is quiet itself
        return
    bar = Progress(*columns, TimeRemainingColumn(), console=console)

    def update(done: int, total: int | None) -> None:
        if not bar.task_ids:
            bar.add_task("fetching", total=total)
            bar.start()
        bar.update(bar.task_ids[0], completed=done)
        if done == total:
            bar.stop()  # a terminal shows one bar at a time, and another may follow

    try:
        yield update
    finally:
        bar.stop()
