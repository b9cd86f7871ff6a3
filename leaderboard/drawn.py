"""Of runs that ended early: the images that can stand for all, and what is known of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from eval.estimate import drawn_order
from eval.report.percent import signed_points, signed_range
from eval.report.report import OPEN, Report
from leaderboard.stats import Interval, Paired


def n_settled(report: Report) -> int:
    """Images whose verdict is known: all, where the run went to its end."""
    return len(report.images.verdicts) - report.images.verdicts.count(OPEN)


def sample(report: Report) -> frozenset[int]:
    """Positions of settled images that are a sample of all: all of them, of a whole run.

    Not all that are settled. Cheap stages ran on all images and settled those that they broke, but
    of the others only those first in the drawn order are: among the settled, too many are lost.
    The order does not depend on the outcomes, so that the images ahead of its first open one are
    drawn by chance. None where nothing was drawn yet or nothing that was drawn is settled.
    """
    verdicts, part = report.images.verdicts, report.estimate
    if part is None:
        return frozenset(range(len(verdicts)))
    if part.after is None or not part.settled:
        return frozenset()
    order = drawn_order(report.images.ids, report.seed)
    return frozenset(takewhile(lambda i: verdicts[i] != OPEN, order))


@dataclass(frozen=True)
class OnAll:
    """What two Reports leave possible for the robust accuracy of A less that of B on their images.

    On all of these very images, had both runs gone on to the end. low, high: in [-1, 1]. sure: how
    sure, 0.95, or 0.9 where both ended early, since either of their intervals may be wrong.
    """

    low: float
    high: float
    sure: float

    @property
    def words(self) -> str:
        """As tables and notes say it."""
        return f"{signed_range(self.low, self.high)} points, sure to {100 * self.sure:.0f} %"


def on_all(a: Report, b: Report) -> OnAll | None:
    """None where no run ended early, and where either attacked nothing."""
    of_a, of_b = _full_run(a), _full_run(b)
    n_early = sum(report.estimate is not None for report in (a, b))
    if of_a is None or of_b is None or not n_early:
        return None
    return OnAll(of_a[0] - of_b[1], of_a[1] - of_b[0], 1 - 0.05 * n_early)


def _full_run(report: Report) -> Interval | None:
    if report.estimate is not None:
        return report.estimate.full_run
    return (report.robust.accuracy,) * 2 if report.robust is not None else None


def early_notes(
    a: Report, b: Report, n_open: int, robust: Paired | None, known: OnAll | None
) -> tuple[str, ...]:
    """What to know where runs ended early; robust: of the images that can stand for all, if any.

    known: `on_all(a, b)`.
    """
    if known is None:
        return ()
    early = [which for which, report in (("A", a), ("B", b)) if report.estimate is not None]
    who = " and ".join(early)
    n_all = len(a.images.ids)
    if robust is None:
        return (
            f"{who} ended with {n_open} of {n_all} images open and too few settled to stand for"
            " all, so only accuracy without an attack is compared: let the run go on",
        )
    n, n_settled = robust.n, n_all - n_open
    left_out = (
        f" Of the other {n_settled - n} too many are lost, to the clean pass and the stages that"
        " ran on all images, so that they would not stand for all."
    )
    note = (
        f"{who} ended early: {n_open} of {n_all} images are open in A or B and {n_settled} settled"
        f" in both. Robust accuracy is compared on {n} of these, those ahead of the first open one"
        f" in an order drawn by chance.{left_out if n < n_settled else ''} Where a run ends depends"
        " on what it found, so take interval and p as rough"
    )
    if known.low <= robust.difference <= known.high:
        return (note,)
    return (
        note,
        f"believe what is known of all {n_all} images, {known.words}: by chance the {n} that are"
        f" compared differ by {signed_points(robust.difference)}, which all of them cannot",
    )
