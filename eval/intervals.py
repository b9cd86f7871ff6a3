"""The interval of a share that was counted."""

import math

Z95 = 1.959963984540054
"""How many standard deviations of a normal distribution hold 95 % on both sides of its mean.

A constant: scipy takes a second to import, and `statistics.NormalDist` errs in the last bit, which
would change the last digit of intervals that are stored already.
"""


def wilson(correct: float, n: float, *, z: float = Z95) -> tuple[float, float]:
    """95 % interval for a share: Wilson 1927, "Probable inference", JASA 22, p. 209.

    `correct` of `n` >= 1 -> (low, high) in [0, 1]; unlike the textbook interval it is right at
    the ends, 0 of n and n of n. z: standard deviations, where it is not to be 95 %.
    """
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high
