"""What several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from eval.errors import UsageError
from eval.files.border import plain
from zoo.cli.shared.console import say


def results_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --results, which may be given several times, and --only; see `chosen_results`."""
    options = (
        click.option(
            "--results",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="DIR|FILE",
            help="Also read the reports of this folder, or this report; repeatable. Those of the"
            " package and your own (leaderboard add) are read always.",
        ),
        click.option("--only", is_flag=True, help="Read those of --results and no others."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_results(results: tuple[Path, ...], *, only: bool) -> tuple[Path, ...]:
    """The folders and files that --results and --only mean. Raises `UsageError`."""
    from leaderboard.folders import result_folders

    if only and not results:
        raise UsageError("--only without --results: name the folder or the report to read")
    return result_folders(results, only=only)


def tell_left_out(reasons: Iterable[str]) -> None:
    """Say on stderr which files could not be used, and why."""
    for reason in reasons:
        say(f"left out: {plain(reason, 1000)}")
