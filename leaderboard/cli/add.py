"""`sat-zoo leaderboard add REPORT`."""

from __future__ import annotations

from pathlib import Path

import click

from leaderboard.cli.options import tell_left_out
from leaderboard.escape import plain
from zoo.cli.shared.console import echo

EXAMPLES = """\b
Examples:
  sat-zoo leaderboard add report.json
  sat-zoo leaderboard add report.json --results ~/results --force"""


@click.command(epilog=EXAMPLES)
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Folder to store it in; made if missing.  [default: leaderboard/results of the package]",
)
@click.option("--force", is_flag=True, help="Replace a report of the same run.")
def command(report: Path, results: Path | None, force: bool) -> None:
    """Check REPORT and store it among the results.

    Every total is computed again from the verdicts; a protocol that is unknown or not the one it
    names, and weights or images that are not those of the model and data set, are refused.
    """
    from eval.report.percent import percent
    from leaderboard.results import RESULTS
    from leaderboard.submit import add

    done = add(report, results or RESULTS, force=force)
    robust = done.report.robust
    share, kind = (done.report.clean, "clean") if robust is None else (robust, "robust")
    tell_left_out(done.left_out)
    what = plain(f"{done.report.model.name}, {done.report.protocol.name}")
    echo(f"{done.path}: {what}, {kind} {percent(share.accuracy)} % of {share.n} images")
    for old in done.replaced:
        echo(f"replaced {old}")
