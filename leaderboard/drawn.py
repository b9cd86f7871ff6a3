"""Of a run that ended early, the images that can stand for all of them."""

from __future__ import annotations

from itertools import takewhile

from eval.estimate import drawn_order
from eval.report.report import OPEN, Report


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
