"""Bars on stderr for files on their way; nothing is shown where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from zoo.hub.transfer import OnBytes


@contextmanager
def bars(*, is_quiet: bool = False) -> Iterator[Callable[[str, int], OnBytes]]:
    """Gives a function that starts the bar of one file: its name, its bytes -> its progress.

    is_quiet: show nothing anywhere.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, disable=is_quiet or not console.is_terminal) as shown:

        def start(name: str, size: int) -> OnBytes:
            task = shown.add_task(name, total=size)
            return lambda n_bytes: shown.update(task, completed=n_bytes)

        yield start
