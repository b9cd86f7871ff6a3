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
    metavar="DIR",
    help="Folder to store it in; made if missing.  [default: SAT_ZOO_HOME/results, which show,"
    " compare, build and export read together with the package's]",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace a report of the same run; never an exact one by an estimate.",
)
def command(report: Path, results: Path | None, force: bool) -> None:
    """Check REPORT and store it among your own results.

    Every total is computed again from the verdicts; a protocol that is unknown or not the one it
    names, and weights or images that are not those of the model and data set, are refused. An
    estimate gives way to a report of the same run with more images settled. The package's own
    results never change: a report of a run that is among them is refused.
    """
    from eval.report.parts import OPEN
    from eval.report.percent import percent, percent_range
    from eval.report.words import attack_of
    from leaderboard.submit import add

    done = add(report, results, force=force)
    robust = done.report.robust
    share, kind = (done.report.clean, "clean") if robust is None else (robust, "robust")
    tell_left_out(done.left_out)
    what = plain(f"{done.report.model.name}, {attack_of(done.report)}")
    found = f"{kind} {percent(share.accuracy)} % of {share.n} images"
    if share.estimated:
        n_open = done.report.images.verdicts.count(OPEN)
        found = (
            f"{kind} estimated, {percent_range(*share.ci95)} %: {n_open} of {share.n} images are"
            " open"
        )
    echo(f"{done.path}: {what}, {found}")
    for old in done.replaced:
        echo(f"replaced {old}")
