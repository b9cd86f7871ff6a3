"""How many images are robust, said before all of them have been attacked: a confidence sequence.

N images; s of them survive the stages that run on all. They are attacked to the end in an order
drawn at random; after m of them k have stood. K, the number of the s that would stand, is not known
before m = s, but after each m the set

    C_m = {K : prior(K) / posterior_m(K) < 1 / error}

holds the true K, for all m at once, with probability at least 1 - error, whenever and why ever one
stops: prior / posterior at the true K is a martingale that begins at 1, and Ville's inequality
bounds how likely it ever reaches 1 / error. With a beta-binomial prior of parameters a, b

    prior(K) / posterior_m(K) = B(a + k, b + m - k) / B(a, b) * C(s, K) / C(s - m, K - k)

with the beta function B and the binomial coefficient C; it falls and rises once in K, so that C_m
is an interval. Sets of earlier m are intersected. Any prior is valid, a good one gives narrow
intervals sooner; it is fixed here, before anything was measured.

Assumptions: the order is uniform and independent of the outcomes (`drawn_order`), and an outcome
enters when all that were drawn before it have theirs, or what ends early would be counted first.

Source: Waudby-Smith & Ramdas 2020, "Confidence sequences for sampling without replacement", arXiv
2006.04347, section 2. No torch here, so that a reader can compute every interval again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Literal

from eval.intervals import wilson

METHOD: Literal["beta-binomial-ppr@1"] = "beta-binomial-ppr@1"
"""The name of all of the above, with `PRIOR`; another prior would be another method."""

PRIOR = (18.0, 2.0)
"""a, b: most survivors of the first attack are expected to stand, about 9 of 10."""

ERROR = 0.05


def drawn_order(ids: Sequence[str], seed: int) -> list[int]:
    """The places of `ids` in an order drawn from the seed: uniform, whatever order they come in."""
    keys = [hashlib.sha256(f"order {seed} {one}".encode()).digest() for one in ids]
    return sorted(range(len(ids)), key=keys.__getitem__)


class ConfidenceSequence:
    """The interval for K, see above; `low` <= K <= `high` are counts of the `size` = s items.

    It never excludes what is proven, k <= K <= s - (m - k), and is [k, k] at m = s. Where the
    intersection is empty, so that some earlier interval was wrong, C_m alone is taken.

    Cost: constant time an outcome on average, whatever s; 50,000 take a fraction of a second.
    """

    def __init__(self, size: int, *, error: float = ERROR) -> None:
        self.size, self.m, self.k = size, 0, 0
        self.low, self.high = 0, size
        a, b = PRIOR
        self._limit = -math.log(error)
        self._prior = lgamma(a) + lgamma(b) - lgamma(a + b)

    def take(self, stands: bool) -> None:
        """Note the outcome of the next item of the order."""
        if self.m == self.size:
            raise ValueError(f"all {self.size} outcomes were taken")
        self.m, self.k = self.m + 1, self.k + stands
        self._narrow()
        if self.low > self.high:
            self.low, self.high = 0, self.size
            self._narrow()

    def _narrow(self) -> None:
        """Leave out what C_m does not hold, from both ends."""
        self.low = max(self.low, self.k)
        self.high = min(self.high, self.size - self.m + self.k)
        evidence = self._evidence()
        while self.low <= self.high and evidence + self._spread(self.low) >= self._limit:
            self.low += 1
        while self.low <= self.high and evidence + self._spread(self.high) >= self._limit:
            self.high -= 1

    def _evidence(self) -> float:
        """Log B(a + k, b + m - k) / B(a, b), and what of the rest does not depend on K."""
        (a, b), m, k = PRIOR, self.m, self.k
        seen = lgamma(a + k) + lgamma(b + m - k) - lgamma(a + b + m)
        return seen - self._prior + lgamma(self.size + 1) - lgamma(self.size - m + 1)

    def _spread(self, total: int) -> float:
        """The part of log C(s, K) / C(s - m, K - k) that depends on K = `total`."""
        left, stand = self.size - self.m, total - self.k
        inside = lgamma(stand + 1) + lgamma(left - stand + 1)
        return inside - lgamma(total + 1) - lgamma(self.size - total + 1)


@dataclass(frozen=True)
class Estimate:
    """What is known of the robust accuracy on n images.

    right: images that no attack has broken for good yet, among them all that are open. s: survivors
    of the stages that run on all images; None until these are done, and nothing is drawn before.
    m: of the s, attacked to the end; k: of the m, standing, or, where nothing is drawn, of all
    images those known to be robust. low, high: 95 % confidence sequence for
    the number of robust images of the n. wide: the same with 97.5 %. last_iterates: the same of the
    images that are right at the end of their run, where an attack goes on to it.
    """

    n: int
    right: int
    s: int | None
    m: int
    k: int
    low: int
    high: int
    wide: tuple[int, int]
    last_iterates: Estimate | None = None

    @property
    def is_exact(self) -> bool:
        """Whether every image has its verdict."""
        return self.s == self.m

    @property
    def interval(self) -> tuple[float, float]:
        """For the robust accuracy that the whole run would find on these n images, in [0, 1]."""
        return self.low / self.n, self.high / self.n

    @property
    def half_width(self) -> float:
        """Of `interval`, in [0, 1/2]."""
        return (self.high - self.low) / (2 * self.n)

    @property
    def accuracy(self) -> float:
        """The robust accuracy if the rest fares like the m: s k / m of the n images.

        Never outside of `interval`, and its middle where m = 0.
        """
        low, high = self.interval
        if self.s is None or not self.m:
            return (low + high) / 2
        return min(max(self.s * self.k / (self.m * self.n), low), high)

    @property
    def population(self) -> tuple[float, float]:
        """A 95 % interval for the images' distribution, were they drawn from one; in [0, 1].

        Where the whole run's number is known to lie with 97.5 %, and the 97.5 % Wilson intervals of
        both ends: by the union bound it holds with 95 %.
        """
        low, high = self.wide
        return wilson(low, self.n, z=Z975)[0], wilson(high, self.n, z=Z975)[1]


Z975 = 2.241402727604947
"""How many standard deviations of a normal distribution hold 97.5 % on both sides of its mean."""


class Tally:
    """Takes outcomes in the drawn order as far as they are known, and says what follows.

    order: of the s survivors, in any naming that `advance` understands. n: of all images.
    trace: (m, low, high) after each outcome, as counts; the first is of m = 0.
    """

    def __init__(self, order: Sequence[int], n: int) -> None:
        self.order, self.n = order, n
        self._narrow = ConfidenceSequence(len(order))
        self._wide = ConfidenceSequence(len(order), error=ERROR / 2)
        self.trace = [(0, 0, len(order))]

    @property
    def settled(self) -> Sequence[int]:
        """Those of the order whose outcomes were taken."""
        return self.order[: self._narrow.m]

    def advance(
        self,
        outcome_of: Callable[[int], bool | None],
        is_enough: Callable[[Estimate], bool] = lambda _: False,
    ) -> bool:
        """Take outcomes up to the first that is not known, or until `is_enough`; returns that.

        One at a time, so that where it ends depends on the outcomes alone, and not on how many of
        them were known at once.
        """
        while not is_enough(self.estimate):
            if self._narrow.m == len(self.order):
                return False
            outcome = outcome_of(self.order[self._narrow.m])
            if outcome is None:
                return False
            self._narrow.take(outcome)
            self._wide.take(outcome)
            self.trace.append((self._narrow.m, self._narrow.low, self._narrow.high))
        return True

    @property
    def estimate(self) -> Estimate:
        """What is known now."""
        now = self._narrow
        return Estimate(
            n=self.n,
            right=now.size - now.m + now.k,
            s=now.size,
            m=now.m,
            k=now.k,
            low=now.low,
            high=now.high,
            wide=(self._wide.low, self._wide.high),
        )


def before_the_draw(n: int, right: int, robust: int) -> Estimate:
    """Of n images, where no order was drawn: between what is proven of either kind, for certain.

    right: not broken yet. robust: of these, attacked to the end.
    """
    ends = robust, right
    return Estimate(n=n, right=right, s=None, m=0, k=robust, low=robust, high=right, wide=ends)
