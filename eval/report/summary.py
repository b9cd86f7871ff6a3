"""What people are told of a Report, in words: a heading, a row a stage, findings and flags.

The terminal and a notebook show the same, each in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.report.parts import OPEN
from eval.report.percent import percent, percent_range
from eval.report.words import attack_id

if TYPE_CHECKING:
    from eval.report.report import Accuracy, Report


@dataclass(frozen=True)
class Finding:
    """One line: what was found, after what it is of. is_main: the number that counts."""

    label: str
    text: str
    is_main: bool = False


def heading(report: Report) -> str:
    """What was measured on what, after the model's name."""
    # Without an attack the ball was not looked at, though the report has one.
    threat = f" {report.threat.norm} eps {report.threat.eps_text}," if report.stages else ""
    return (
        f" on {report.data.n} images of {report.data.name} ({report.data.split}),{threat}"
        f" {attack_id(report)}, engine {report.engine.name} {report.engine.precision}"
    )


def stage_columns(report: Report) -> tuple[str, ...]:
    """The heads of the table; the first column is text, the others are numbers."""
    # Passes were spent on open images too, which are not among those attacked.
    passes = "passes" if report.estimate is not None else "passes / image"
    return ("stage", "attacked", "broken", "rejected", "accuracy after", passes, "seconds")


def stage_rows(report: Report) -> list[tuple[str, ...]]:
    """A row without an attack and one a stage, under `stage_columns`."""
    is_open = report.estimate is not None
    clean = f"{percent(report.clean.accuracy)} %"
    rows: list[tuple[str, ...]] = [("clean", str(report.data.n), "", "", clean, "", "")]
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
    return rows


def findings(report: Report) -> list[Finding]:
    """The accuracies with their intervals, and what else the verdicts say."""
    found = [Finding("clean accuracy", interval(report.clean))]
    if report.robust is None:
        nothing = "nothing was attacked: how much an attack would break is not measured"
        found.append(Finding("", nothing))
    else:
        found += _robust(report, report.robust)
    for stage in report.stages:
        if stage.last_iterate_accuracy is not None:
            last = f"{percent(stage.last_iterate_accuracy)} %"
            found.append(Finding("last iterates", f"{last} ({stage.name}, as many papers count)"))
    survived = report.survive_8bit
    if survived.n:
        still = (
            f"{survived.broken_after_rounding} of {survived.n} adversarial images still fool the"
            " model when stored in 8 bits"
        )
        found.append(Finding("", still))
    return found


def interval(share: Accuracy) -> str:
    """An accuracy with its counts and its 95 % interval."""
    return (
        f"{percent(share.accuracy)} %  ({share.correct} of {share.n},"
        f" 95 % interval {percent_range(*share.ci95)})"
    )


def _robust(report: Report, robust: Accuracy) -> list[Finding]:
    estimate = report.estimate
    if estimate is None:
        return [Finding("robust accuracy", interval(robust), is_main=True)]
    n_open = report.images.verdicts.count(OPEN)
    sure, drawn = "for certain", f"{estimate.robust} are known to be robust"
    if estimate.survivors is not None:
        sure = "sure to 95 %"
        drawn = (
            f"of the {estimate.survivors} images that stood after {estimate.after},"
            f" {estimate.settled} were attacked to the end and {estimate.robust} stand"
            f" ({estimate.method})"
        )
    full_run = (
        f"estimated, {percent_range(*estimate.full_run)} %: what the whole run"
        f" finds on these {robust.n} images, {sure}"
    )
    found = [
        Finding("robust accuracy", full_run, is_main=True),
        Finding(
            "",
            f"  of the images' distribution: 95 % interval {percent_range(*robust.ci95)} %;"
            f" best guess {percent(robust.accuracy)} %",
        ),
        Finding("", f"  {n_open} images are open: {drawn}"),
    ]
    if estimate.last_iterates_full_run is not None:
        last = percent_range(*estimate.last_iterates_full_run)
        found.append(Finding("", f"  last iterates: {last} %, sure to 95 % (as many papers count)"))
    return [*found, Finding("", f"  {_how_to_go_on(report)}")]


def _how_to_go_on(report: Report) -> str:
    """From an estimate to the exact number; a Report that Python made names no command."""
    if not report.command:
        return (
            "the same call without `until` and `budget`, with the same `journal`, goes on to the"
            " exact number"
        )
    given = report.command.split()
    ends = [
        f"`{name}`"
        for name in ("until", "budget", "fresh")
        if any(one == f"--{name}" or one.startswith(f"--{name}=") for one in given)
    ]
    without = f" without {' and '.join(ends)}" if ends else ""
    return f"the same command{without} goes on from the journal, to the exact number"
