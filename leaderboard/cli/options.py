"""What several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leaderboard.escape import plain

if TYPE_CHECKING:
    from leaderboard.boards import Leaderboard


def results_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --results, which may be given several times."""
    return click.option(
        "--results",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder of reports, or a report; repeatable.  [default: those of the package]",
    )(command)


def join_results(results: tuple[Path, ...]) -> Leaderboard:
    """The leaderboard of these results; says on stderr which files could not be used."""
    from leaderboard.boards import RESULTS, leaderboard

    whole = leaderboard(results or (RESULTS,))
    for refused in whole.refused:
        click.echo(f"sat-zoo: left out: {plain(refused.reason)}", err=True)
    return whole
