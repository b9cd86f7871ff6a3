"""Two models on the same images: their difference, its interval and its test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.intervals import wilson


@dataclass(frozen=True)
class Paired:
    """How two models fare on the same images: counts of images that both, one or neither holds."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, a: Sequence[bool], b: Sequence[bool]) -> Paired:
        """a, b: for each image, does the model hold it? Equally long and in one order."""
        pairs = list(zip(a, b, strict=True))
        return cls(
            both=pairs.count((True, True)),
            only_a=pairs.count((True, False)),
            only_b=pairs.count((False, True)),
            neither=pairs.count((False, False)),
        )

    @property
    def n(self) -> int:
        """All images."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of A minus accuracy of B."""
        return (self.only_a - self.only_b) / self.n

    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference, of n >= 1 images, in [-1, 1].

        Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial
        proportions based on paired data", Statistics in Medicine 17, p. 2635, method 10: the two
        Wilson intervals, added in square with their correlation phi, which is corrected for
        continuity where it is positive.
        """
        n, (a, b, c, d) = self.n, (self.both, self.only_a, self.only_b, self.neither)
        p_a, p_b = (a + b) / n, (a + c) / n
        (low_a, high_a), (low_b, high_b) = wilson(a + b, n), wilson(a + c, n)
        covariance = float(a * d - b * c)
        if covariance > 0:
            covariance = max(covariance - n / 2, 0.0)
        scale = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        phi = covariance / scale if scale else 0.0
        below = _added(p_a - low_a, high_b - p_b, phi)
        above = _added(high_a - p_a, p_b - low_b, phi)
        return max(-1.0, self.difference - below), min(1.0, self.difference + above)

    def p_value(self) -> float:
        """Two-sided exact McNemar test: are images that only one model holds a fair coin?

        Source: McNemar 1947, Psychometrika 12, p. 153, with the binomial distribution itself.
        """
        # scipy.stats takes a second to import, which `leaderboard show` does not need to spend.
        from scipy.stats import binomtest

        n_discordant = self.only_a + self.only_b
        return float(binomtest(self.only_a, n_discordant).pvalue) if n_discordant else 1.0


def _added(one: float, other: float, phi: float) -> float:
    # Rounding may leave a tiny negative number where the two distances cancel.
    return math.sqrt(max(one * one - 2 * phi * one * other + other * other, 0.0))
