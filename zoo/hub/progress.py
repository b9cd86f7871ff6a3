"""Files on their way: bars on stderr, and a line now and then where that is no terminal."""

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

from eval.files.arriving import lines
from zoo.hub.transfer import OnBytes


@contextmanager
def bars(
    remark: Callable[[str], None] = lambda _: None, *, is_quiet: bool = False
) -> Iterator[Callable[[str, int], OnBytes]]:
    """Gives a function that starts the bar of one file: its name, its bytes -> its progress.

    remark: is told a line now and then where there is no terminal. is_quiet: show nothing anywhere.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, soft_wrap=True)
    is_moving = console.is_terminal and not is_quiet
    with Progress(*columns, console=console, disable=not is_moving) as shown:

        def start(name: str, size: int) -> OnBytes:
            if not is_moving:
                told = lines(name, (lambda _: None) if is_quiet else remark)
                return lambda n_bytes: told(n_bytes, size)
            task = shown.add_task(name, total=size)
            return lambda n_bytes: shown.update(task, completed=n_bytes)

        yield start
