"""How people see an evaluation that is done: a table, and what to know when reading it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from eval.arguments import as_options
from eval.report.parts import OPEN
from eval.report.percent import percent, percent_range
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.console import stdout
from zoo.cli.shared.table import print_table

if TYPE_CHECKING:
    from eval.report.report import Accuracy, Report


def print_report(report: Report, out: Path | None) -> None:
    """The report as a table on stdout."""
    console = stdout()
    # Without an attack the ball was not looked at, though the report has one.
    threat = f" {report.threat.norm} eps {report.threat.eps_text}," if report.stages else ""
    console.print(
        Text(report.model.name, style="bold")
        + f" on {report.data.n} images of {report.data.name} ({report.data.split}),{threat}"
        + f" {report.protocol.name}, engine {report.engine.name} {report.engine.precision}"
    )
    _print_stages(report, console)
    console.print(f"clean accuracy   {_interval(report.clean)}")
    if report.robust is None:
        console.print("nothing was attacked: how much an attack would break is not measured")
    else:
        _print_robust(report, report.robust, console)
    for stage in report.stages:
        if stage.last_iterate_accuracy is not None:
            last = f"{percent(stage.last_iterate_accuracy)} %"
            console.print(f"last iterates    {last} ({stage.name}, as many papers count)")
    survived = report.survive_8bit
    if survived.n:
        console.print(
            f"{survived.broken_after_rounding} of {survived.n} adversarial images still fool the"
            " model when stored in 8 bits"
        )
    for flag in report.flags:
        console.print(Text(f"flag {flag.code}:", style="yellow"), as_options(flag.detail))
    written = f"; report written to {out}" if out else ""
    console.print(Text(f"{report.seconds:.0f} s{written}"), soft_wrap=True)  # a path stays whole


def _print_stages(report: Report, console: Console) -> None:
    # Passes were spent on open images too, which are not among those attacked.
    is_open = report.estimate is not None
    columns = (
        TableColumn("stage", importance=0),
        TableColumn("attacked", is_right=True, importance=2),
        TableColumn("broken", is_right=True, importance=3),
        TableColumn("rejected", is_right=True, importance=4),
        TableColumn("accuracy after", is_right=True, importance=1),
        TableColumn("passes" if is_open else "passes / image", is_right=True, importance=6),
        TableColumn("seconds", is_right=True, importance=5),
    )
    clean = f"{percent(report.clean.accuracy)} %"
    rows = [("clean", str(report.data.n), "", "", clean, "", "")]
    for stage in report.stages:
        passes = stage.forwards + stage.backwards
        rows.append(
            (
                stage.name,
                str(stage.attacked),
                str(stage.broken),
                str(stage.rejected),
                f"{'at most ' * is_open}{percent(stage.accuracy_after)} %",
                f"{passes if is_open else passes / max(stage.attacked, 1):,.0f}",
                f"{stage.seconds:.1f}",
            )
        )
    print_table(columns, rows, console)


def _print_robust(report: Report, robust: Accuracy, console: Console) -> None:
    estimate = report.estimate
    if estimate is None:
        console.print(f"robust accuracy  {_interval(robust)}", style="bold")
        return
    n_open = report.images.verdicts.count(OPEN)
    sure, drawn = "for certain", f"{estimate.robust} are known to be robust"
    if estimate.survivors is not None:
        sure = "sure to 95 %"
        drawn = (
            f"of the {estimate.survivors} images that stood after {estimate.after},"
            f" {estimate.settled} were attacked to the end and {estimate.robust} stand"
            f" ({estimate.method})"
        )
    console.print(
        f"robust accuracy  estimated, {percent_range(*estimate.full_run)} %: what the whole run"
        f" finds on these {robust.n} images, {sure}",
        style="bold",
    )
    console.print(
        f"  of the images' distribution: 95 % interval {percent_range(*robust.ci95)} %;"
        f" best guess {percent(robust.accuracy)} %"
    )
    console.print(f"  {n_open} images are open: {drawn}")
    if estimate.last_iterates_full_run is not None:
        last = percent_range(*estimate.last_iterates_full_run)
        console.print(f"  last iterates: {last} %, sure to 95 % (as many papers count)")
    console.print(f"  {_how_to_go_on(report)}")


def _how_to_go_on(report: Report) -> str:
    given = report.command.split()
    ends = [
        option
        for option in ("--until", "--budget", "--fresh")
        if any(one == option or one.startswith(f"{option}=") for one in given)
    ]
    without = f" without {' and '.join(ends)}" if ends else ""
    return f"the same command{without} goes on from the journal, to the exact number"


def _interval(share: Accuracy) -> str:
    return (
        f"{percent(share.accuracy)} %  ({share.correct} of {share.n},"
        f" 95 % interval {percent_range(*share.ci95)})"
    )
