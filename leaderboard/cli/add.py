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
  sat-zoo leaderboard add report.json --ids imagenet_test_image_ids.txt
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
@click.option(
    "--ids",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The list that the run's --ids had: tables then call its images by the file's name."
    "  [RobustBench's 5,000 of ImageNet are known without it]",
)
def command(report: Path, results: Path | None, force: bool, ids: Path | None) -> None:
    """Check REPORT and store it among your own results.

    Every total is computed again from the verdicts; a protocol that is unknown or not the one it
    names, and weights or images that are not those of the model and data set, are refused. An
    estimate gives way to a report of the same run with more images settled. The package's own
    results never change: a report of a run that is among them is refused.
    """
    from eval.report.parts import OPEN
    from eval.report.percent import percent, percent_range
    from eval.report.words import attack_of
    from leaderboard.places import HOW_TO_NAME, is_unnamed
    from leaderboard.submit import add

    done = add(report, results, force=force, ids=ids)
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
    if done.images is not None:
        data = plain(done.report.data.name)
        echo(f"it stands among reports of {data}, {plain(done.images.text)}")
        if is_unnamed(done.images.key):
            echo(f"to give these images the name of their list: {HOW_TO_NAME}")
    for old in done.replaced:
        echo(f"replaced {old}")
