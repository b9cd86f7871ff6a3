"""Measured minus claimed."""

from __future__ import annotations

from dataclasses import replace

from eval.report.report import Accuracy, Report
from leaderboard.columns import CLEAN, family
from leaderboard.rows import BoardRow, Check, Claimed, Measured
from zoo.judging import judge


def checks(row: BoardRow) -> tuple[Check, ...]:
    """For each claim that we measured too, under the same protocol: does it hold?

    A claim is compared with a number of the same attack only. A bare "PGD-K" of a paper names no
    step size and no way to count, so it is the same as none of ours unless the card says which.
    """
    found = []
    for column, claimed in row.claimed.items():
        ours = _ours(row, column, claimed)
        if ours is None:
            continue
        measured, counted = ours
        share = Accuracy.of(measured.correct, measured.n)
        verdict, why = judge(claimed.accuracy, share)
        found.append(
            Check(
                protocol=column,
                measured=measured,
                claimed=claimed,
                difference=measured.accuracy - claimed.accuracy,
                inside=measured.low <= claimed.accuracy <= measured.high,
                verdict=verdict,
                why=why,
                counted=counted,
            )
        )
    return tuple(found)


def _ours(row: BoardRow, column: str, claimed: Claimed) -> tuple[Measured, str | None] | None:
    """Our number for the protocol of a claim, and what it counts."""
    if column == CLEAN:
        return (row.clean, None) if row.clean else None
    if claimed.run_as is None and column.startswith("pgd"):
        return None
    same = [key for key in row.robust if family(key) == family(claimed.run_as or column)]
    if not same:
        return None
    measured = row.robust[min(same, key=lambda key: key.endswith(" reference"))]
    report = row.reports[row.report_paths.index(measured.report_path)]
    return _last_iterates(report, measured) or (measured, "all stages")


def _last_iterates(report: Report, measured: Measured) -> tuple[Measured, str] | None:
    """As the released code of Smooth Adversarial Training counts, whose protocols are pgd-sat-K.

    Our robust accuracy counts an image as broken if any iterate was, so it is lower or equal.
    """
    share = report.stages[-1].last_iterate_accuracy
    if share is None or report.protocol.stages[-1].attack != "pgd-sat":
        return None
    found = Accuracy.of(round(share * measured.n), measured.n)
    low, high = found.ci95
    last = replace(measured, accuracy=share, low=low, high=high, correct=found.correct)
    return last, "last iterates"
