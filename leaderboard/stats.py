"""The statistics of comparisons. An accuracy's own interval is `eval.intervals.wilson`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.report.paired import Paired

__all__ = ["Paired", "rank_groups"]


def rank_groups(intervals: Sequence[tuple[float, float]]) -> list[int]:
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
