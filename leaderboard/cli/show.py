"""`sat-zoo leaderboard show [DATASET]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.errors import UsageError, unknown
from leaderboard.cli.options import results_option, tell_left_out
from zoo.cli.shared.console import stdout

if TYPE_CHECKING:
    from leaderboard.boards import Board

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard show
  sat-zoo leaderboard show imagenet
  sat-zoo leaderboard show cifar10 --norm L2 --all"""


@click.command(epilog=EXAMPLES)
@click.argument("dataset", required=False)
@click.option("--norm", help="Linf or L2.")
@click.option("--eps", help="Radius of the ball, as 8/255.")
@click.option("--subset", help="Key of a choice of images, as the list of tables prints it.")
@click.option("--all", "everything", is_flag=True, help="All rows and columns.")
@click.option("--json", "as_json", is_flag=True, help="Print the board, or all, as JSON.")
@results_option
def command(
    dataset: str | None,
    norm: str | None,
    eps: str | None,
    subset: str | None,
    everything: bool,
    as_json: bool,
    results: tuple[Path, ...],
) -> None:
    """Show one table of DATASET on one screen, or list all tables."""
    from leaderboard.boards import RESULTS, leaderboard
    from leaderboard.export import to_json
    from leaderboard.terminal import print_board, print_overview

    if dataset is None and (norm or eps or subset or everything):
        raise UsageError("options without a data set: name one, as sat-zoo leaderboard show digits")
    whole = leaderboard(results or (RESULTS,))
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
    """The board that is meant, and the others of the data set.

    Where several fit, the one with most models of the zoo. Raises `UsageError` with what there is.
    """
    from leaderboard.places import same_eps

    of_set = [board for board in boards if board.dataset == dataset]
    if not of_set:
        raise unknown("data set", dataset, sorted({board.dataset for board in boards}))
    wanted = {"norm": norm, "eps": same_eps(eps) if eps else None, "subset_key": subset}
    fitting = of_set
    for name, value in wanted.items():
        if value is None:
            continue
        known = sorted({getattr(board, name) for board in fitting})
        by_case = {one.lower(): one for one in known}
        if value.lower() not in by_case:
            kind = "subset" if name == "subset_key" else name
            raise unknown(f"{kind} of {dataset}", value, known, see="sat-zoo leaderboard show")
        fitting = [b for b in fitting if getattr(b, name) == by_case[value.lower()]]
    best = max(fitting, key=lambda board: (_n_ours(board), len(board.rows)))
    return best, [board for board in of_set if board is not best]


def _n_ours(board: Board) -> int:
    return sum(bool(row.card) for row in board.rows)
