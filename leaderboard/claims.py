"""Measured minus claimed."""

from __future__ import annotations

from eval.report.report import Accuracy, Report
from leaderboard.columns import CLEAN, family
from leaderboard.numbers import Claimed, Measured, precedence
from leaderboard.origins import Whose
from leaderboard.rows import BoardRow, Check
from zoo.judging import judge, judge_early


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
        share, measured, counted = ours
        verdict, why = judge(claimed.accuracy, share)
        if measured.estimated is not None:
            verdict, why = judge_early(claimed.accuracy, measured.estimated.full_run, measured.n)
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


def _ours(
    row: BoardRow, column: str, claimed: Claimed
) -> tuple[Accuracy, Measured, str | None] | None:
    """Our number for the protocol of a claim, as the report and as tables have it; what it counts.

    None where we have no number that counts as the claim does.
    """
    if column == CLEAN:
        return (_report(row, row.clean).clean, row.clean, None) if row.clean else None
    if claimed.run_as is None and column.startswith("pgd"):
        return None
    same = [key for key in row.robust if family(key) == family(claimed.run_as or column)]
    if not same:
        return None
    measured = row.robust[min(same, key=lambda key: precedence(key, row.robust[key]))]
    report = _report(row, measured)
    if report.protocol.stages[-1].attack == "pgd-sat":
        return _last_iterates(report, measured)
    return (report.robust, measured, "all stages") if report.robust else None


def _last_iterates(report: Report, measured: Measured) -> tuple[Accuracy, Measured, str] | None:
    """As the released code of Smooth Adversarial Training counts, whose protocols are pgd-sat-K.

    Our robust accuracy counts an image as broken if any iterate was, so it is lower or equal: where
    a report has no last iterates, which is so before an order was drawn, it has nothing to compare.
    """
    part, share = report.estimate, report.stages[-1].last_iterate_accuracy
    if part is not None:
        found, full_run = part.last_iterates, part.last_iterates_full_run
    else:
        n = measured.n
        found, full_run = None if share is None else Accuracy.of(round(share * n), n), None
    if found is None:
        return None
    origin = Whose(measured.origin, measured.reran)
    counted = Measured.of(found, report, measured.report_path, full_run, origin)
    return found, counted, "last iterates"


def _report(row: BoardRow, measured: Measured) -> Report:
    return row.reports[row.report_paths.index(measured.report_path)]
