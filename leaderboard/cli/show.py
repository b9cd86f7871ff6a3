"""`sat-zoo leaderboard show [DATASET]`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from eval.errors import UsageError
from leaderboard.cli.options import join_results, results_option
from zoo.cli.console import stdout

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
    from leaderboard.export import to_json
    from leaderboard.terminal import choose, print_board, print_overview

    if dataset is None and (norm or eps or subset or everything):
        raise UsageError("options without a data set: name one, as sat-zoo leaderboard show digits")
    whole = join_results(results)
    if dataset is None:
        if as_json:
            click.echo(to_json(whole), nl=False)
        else:
            print_overview(whole, stdout())
        return
    board, others = choose(whole.boards, dataset, norm, eps, subset)
    if as_json:
        click.echo(to_json(replace(whole, boards=(board,))), nl=False)
    else:
        print_board(board, others, stdout(), everything=everything)
