"""After how many stages a run that may stop early goes image by image.

Stages before the boundary run on all images, so that their survivors are known exactly; those after
it on one drawn survivor after the other, until the confidence sequence of `eval.estimate` is as
narrow as wanted. An early boundary sends few images through costly stages; a late one leaves so
little open that a few more say it all.

The choice is made before the first stage, from costs, counts and the rates below alone, never from
what an attack found: the interval holds for any boundary, but not for one that was picked because
of how it looked. The rates were written down once, after AutoAttack on adversarially trained
networks; where a model is not like them the boundary is dearer than another would be, and the
interval as valid as before. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from eval.estimate import ConfidenceSequence

STANDING = (0.6, 0.93)
"""Of the images that come to the first and to the second stage, what share stands after it."""

STANDING_LATER = 0.9995
"""The same of every further stage."""

KEPT = 1.15
"""How much narrower the interval is than an even path of outcomes makes it: on a random one, ends
of earlier intervals are kept that were narrower by luck. Simulated, for boundaries after which
images still fall at these rates: 1.15 after the first stage, 1.05 before it; later ones need none.
"""


@dataclass(frozen=True)
class Boundary:
    """n_on_all: stages that run on all images. n_drawn: images likely to be enough then."""

    n_on_all: int
    n_drawn: int


def choose_boundary(costs: Sequence[float], n: int, right: int, half_width: float) -> Boundary:
    """How many stages run on all images before the rest runs on one drawn image after the other.

    The choice with the fewest expected passes; of equal ones the earlier. 0: the clean pass alone
    comes first, as always with a single stage.

    Args:
        costs: passes, in any unit, that an image takes which survives the stage; by stage. An image
            that falls is taken to cost nothing: in the committed Reports it took 3 to 7 % of
            what a survivor took.
        n: images of the run, 1 or more; `half_width` is a share of these.
        right: of the n, those that the model classifies as their label without an attack.
        half_width: where the run may stop, as a fraction of n: 0.01 is one percentage point.

    Cost: some thousand evaluations of `lgamma`, whatever n.

    """
    found = [_expected(costs, right, half_width * n, first) for first in range(max(1, len(costs)))]
    n_on_all = min(range(len(found)), key=lambda first: found[first][0])
    return Boundary(n_on_all, found[n_on_all][1])


def _expected(costs: Sequence[float], right: int, half: float, first: int) -> tuple[float, int]:
    """Passes and drawn images with the boundary after `first` stages, up to a half width of `half`.

    half: in images.
    """
    rates = [*STANDING, *[STANDING_LATER] * len(costs)][: len(costs)]
    passes, standing = 0.0, float(right)
    for cost, rate in zip(costs[:first], rates, strict=False):
        standing *= rate
        passes += standing * cost
    later = sum(
        prod(rates[first : i + 1]) * cost for i, cost in enumerate(costs[first:], start=first)
    )
    wide = half * KEPT if first < len(STANDING) else half
    n_drawn = _needed(round(standing), prod(rates[first:]), wide)
    return passes + later * n_drawn, n_drawn


def _needed(size: int, rate: float, half: float) -> int:
    """How many of `size` images must be drawn if at every moment a share of `rate` has stood.

    On so even a path the interval narrows all the time, but for rounding: halving finds the place.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if _width(size, middle, round(middle * rate)) <= 2 * half:
            high = middle
        else:
            low = middle + 1
    return low


def _width(size: int, m: int, k: int) -> int:
    """High - low of the interval when k of m have stood."""
    return _Leap(size).width_at(m, k) if m else size


class _Leap(ConfidenceSequence):
    """A confidence sequence that is looked at once, by halving, in place of outcome by outcome."""

    def width_at(self, m: int, k: int) -> int:
        """High - low of C_m alone, 1 <= m, without what earlier intervals leave out."""
        self.m, self.k = m, k
        likeliest = min(k * (self.size + 1) // m, self.size - m + k)
        return self._end(likeliest, self.size - m + k) - self._end(likeliest, k)

    def _end(self, inside: int, outside: int) -> int:
        """The last total of C_m on the way from one that it holds to the furthest possible."""
        while inside != outside:
            middle = (inside + outside + (outside > inside)) // 2
            if self._evidence() + self._spread(middle) < self._limit:
                inside = middle
            else:
                outside = middle - 1 if outside > inside else middle + 1
        return inside
