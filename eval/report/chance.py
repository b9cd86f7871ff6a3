"""Whether an accuracy is one that a model has which guesses."""

from __future__ import annotations


def is_guessing(low: float, high: float, chance: float) -> bool:
    """Whether an interval reaches down to chance and not half the way from there to perfect.

    The second half keeps a good model on a handful of images free of the flag: 4 of 5 right with
    two classes have the interval 38 to 96 %, which holds 50 % and most other numbers too.
    """
    return low <= chance and high < (1 + chance) / 2
