"""The statistics of comparisons. An accuracy's own interval is `eval.intervals.wilson`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.report.paired import Paired

__all__ = ["Paired", "group_beside", "rank_groups", "share_beside"]

Interval = tuple[float, float]


def rank_groups(intervals: Sequence[Interval]) -> list[int]:
    """For each (low, high) its group, 1 the best: intervals that overlap that of the group's best.

    Going down from the best, the first interval that does not overlap it begins the next group, so
    that a difference which chance explains makes no rank. The bests of two groups never overlap;
    neighbours on two sides of a border may.
    """
    best_first = sorted(range(len(intervals)), key=lambda i: -sum(intervals[i]))
    groups, group, low = [0] * len(intervals), 0, math.inf
    for i in best_first:
        if intervals[i][1] < low:
            group, low = group + 1, intervals[i][0]
        groups[i] = group
    return groups


def group_beside(estimate: Interval, exact: Sequence[Interval]) -> int:
    """The group of an estimate among exact intervals, whose own groups it does not change.

    The group that it would have as an exact one, but never better, that is smaller, than that of
    any exact one which it overlaps.
    """
    group = rank_groups([*exact, estimate])[-1]
    beside = [g for i, g in zip(exact, rank_groups(exact), strict=True) if _overlap(i, estimate)]
    return max([group, *beside])


def share_beside(
    accuracy: float, estimate: Interval, exact: Sequence[tuple[float, Interval]]
) -> float:
    """The accuracy by which an estimate is put in order: no higher than any exact one it overlaps.

    exact: accuracy and interval of each exact number.
    """
    return min([accuracy, *(share for share, interval in exact if _overlap(interval, estimate))])


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
