"""The statistics of comparisons. An accuracy's own interval is `eval.intervals.wilson`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from eval.intervals import Z95, wilson
from eval.report.paired import Paired

__all__ = ["Paired", "RankRange", "rank_beside", "ranks", "share_beside"]

Interval = tuple[float, float]


@dataclass(frozen=True, order=True)
class RankRange:
    """The ranks that a row may have, 1 the best: from `first` to `last`."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class _Spread:
    """A share and the interval of it that comparisons use."""

    share: float
    low: float
    high: float

    def is_above(self, other: _Spread) -> bool:
        """Whether the interval of the difference lies above 0.

        Source: Newcombe 1998, "Interval estimation for the difference between independent
        proportions", Statistics in Medicine 17, p. 873, method 10: the two score intervals, added
        in square. As if the images were not the same ones: two models tend to lose the same
        images, which makes their difference surer than this says.
        """
        difference = self.share - other.share
        return difference > math.hypot(self.share - self.low, other.high - other.share)


def ranks(counted: Sequence[tuple[float, int]]) -> list[RankRange]:
    """For each (accuracy, number of images) the ranks that it may have among all.

    From 1 + the number of those significantly above it to the number of all - the number of those
    significantly below it. Each of these intervals is sure to 95 % by itself, not all at once: the
    n - 1 comparisons of one are made at a level of 0.05 / (n - 1), Bonferroni's.
    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, "Inference for RankRange with Applications to
    Mobility across Neighbourhoods and Academic Achievement across Countries", Review of Economic
    Studies 91, p. 476, their marginal confidence set, with this test in the place of theirs.
    """
    z = _z(len(counted) - 1)
    every = [_spread(share, n, z) for share, n in counted]
    return [
        RankRange(
            1 + sum(other.is_above(one) for other in every),
            len(every) - sum(one.is_above(other) for other in every),
        )
        for one in every
    ]


def rank_beside(
    share: float, interval: Interval, counted: Sequence[tuple[float, int]]
) -> RankRange:
    """The ranks of an estimate among exact numbers, whose own ranks it does not change.

    interval: at 95 %, which is widened in proportion to the level of the comparisons, see `ranks`.
    """
    z = _z(len(counted))
    low, high = (share + (end - share) * z / Z95 for end in interval)
    one = _Spread(share, max(low, 0.0), min(high, 1.0))
    every = [_spread(share, n, z) for share, n in counted]
    n_above = sum(other.is_above(one) for other in every)
    n_below = sum(one.is_above(other) for other in every)
    return RankRange(1 + n_above, len(every) + 1 - n_below)


def _z(n_comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - 0.025 / max(n_comparisons, 1))


def _spread(share: float, n: int, z: float) -> _Spread:
    correct = round(share * n)
    return _Spread(correct / n, *wilson(correct, n, z=z))


def share_beside(
    accuracy: float, estimate: Interval, exact: Sequence[tuple[float, Interval]]
) -> float:
    """The accuracy by which an estimate is put in order: no higher than any exact one it overlaps.

    exact: accuracy and interval of each exact number.
    """
    return min([accuracy, *(share for share, interval in exact if _overlap(interval, estimate))])


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
