"""`sat-zoo leaderboard show [DATASET]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.errors import UsageError
from leaderboard.cli.offers import complete_tables
from leaderboard.cli.options import chosen_results, results_options, tell_left_out
from zoo.cli.shared.columns import wide_option
from zoo.cli.shared.completing import complete_norms
from zoo.cli.shared.console import stdout

if TYPE_CHECKING:
    from leaderboard.boards import Board

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard show
  sat-zoo leaderboard show imagenet
  sat-zoo leaderboard show imagenet --subset full
  sat-zoo leaderboard show cifar10 --norm L2 --all"""


@click.command(epilog=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=complete_tables)
@click.option("--norm", help="Linf or L2.", shell_complete=complete_norms)
@click.option("--eps", help="Radius of the ball, as 8/255.")
@click.option("--subset", help="Key of a choice of images, as the list of tables prints it.")
@click.option("--all", "everything", is_flag=True, help="All rows, and all columns that fit.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the board, or all, as JSON.")
@results_options
def command(
    dataset: str | None,
    norm: str | None,
    eps: str | None,
    subset: str | None,
    everything: bool,
    as_json: bool,
    results: tuple[Path, ...],
    only: bool,
) -> None:
    """Show one table of DATASET on one screen, or list all tables.

    Of several tables that fit, the one with most ranked models is shown and the others are named.
    """
    from leaderboard.boards import leaderboard
    from leaderboard.cli.terminal import print_board, print_overview
    from leaderboard.export import to_json

    if dataset is None and (norm or eps or subset or everything):
        raise UsageError("options without a data set: name one, as sat-zoo leaderboard show digits")
    whole = leaderboard(chosen_results(results, only=only))
    tell_left_out(it.reason for it in whole.refused)
    if dataset is None:
        if as_json:
            click.echo(to_json(whole), nl=False)
        else:
            print_overview(whole, stdout())
        return
    board, others = _choose(whole.boards, dataset, norm, eps, subset)
    if as_json:
        click.echo(to_json(replace(whole, boards=(board,))), nl=False)
    else:
        print_board(board, others, stdout(), everything=everything)


def _choose(
    boards: Sequence[Board],
    dataset: str,
    norm: str | None,
    eps: str | None,
    subset: str | None,
) -> tuple[Board, list[Board]]:
    """The board that is meant, see `narrowed.main_board`, and the others of the data set.

    Raises `UsageError` with what there is.
    """
    from leaderboard.narrowed import main_board, narrowed

    board = main_board(narrowed(boards, dataset, norm=norm, eps=eps, subset=subset))
    return board, [other for other in narrowed(boards, dataset) if other is not board]
