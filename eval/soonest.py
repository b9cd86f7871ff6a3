"""The order of work in which a run is soonest sure enough of its robust accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.attacks import build
from eval.boundary import choose_boundary
from eval.ending import EarlyEnd
from eval.schedule import Anytime, BreadthFirst, Schedule

if TYPE_CHECKING:
    from eval.run import Run

LEAST_AT_ONCE = 16
"""Images that are attacked together at least: fewer are slower, even on a CPU."""

USUAL_POINTS = 1.0
"""The half width that the order of work is made for where none was asked for."""


def schedule_of(run: Run) -> Schedule:
    """One stage after the other, unless it is to end early: then what is soonest sure enough."""
    ending, stages = run.request.ending, run.protocol.stages
    if ending == EarlyEnd() or not stages:
        return BreadthFirst()
    costs = []
    for stage in stages:
        most = build(stage, run.request.threat, run.clean.n_classes).most_passes(0)
        costs.append(float(most.forwards + 2 * most.gradients))
    n_right = int(run.clean.is_right.sum())
    points = ending.points or USUAL_POINTS
    best = choose_boundary(costs, len(run.request.data), n_right, points / 100)
    if ending.points is None and ending.is_enough is None:
        return Anytime(best.n_on_all)  # what is begun is for the end, and whole batches are fastest
    return Anytime(best.n_on_all, max(LEAST_AT_ONCE, best.n_drawn))
