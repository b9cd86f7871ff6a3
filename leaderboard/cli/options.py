"""What several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from eval.files.border import plain
from zoo.cli.shared.console import say


def results_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --results, which may be given several times."""
    return click.option(
        "--results",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder of reports, or a report; repeatable.  [default: those of the package]",
    )(command)


def tell_left_out(reasons: Iterable[str]) -> None:
    """Say on stderr which files could not be used, and why."""
    for reason in reasons:
        say(f"left out: {plain(reason, 1000)}")
