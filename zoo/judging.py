"""Whether a published accuracy agrees with a measured one. No torch here."""

from __future__ import annotations

import math
from typing import Literal

from eval.intervals import Z95
from eval.report.percent import percent_range
from eval.report.report import Accuracy

Verdict = Literal["holds", "differs", "cannot tell", "other pictures"]

WIDE = 0.01
"""Half a 95 % interval above which a claim inside of it is not confirmed: one point."""


def judge(claimed: float, measured: Accuracy) -> tuple[Verdict, str]:
    """Whether a published accuracy agrees with a measured one.

    differs: the claim lies outside of the 95 % interval. holds: it lies inside, and the interval
    is at most one point to either side. cannot tell: it lies inside a wider one.
    """
    low, high = measured.ci95
    if not low <= claimed <= high:
        points = 100 * (measured.accuracy - claimed)
        return "differs", f"measured {points:+.1f} points from the claim"
    half = (high - low) / 2
    if half <= WIDE:
        return "holds", f"the claim lies in an interval of ± {100 * half:.1f} points"
    needed = math.ceil(Z95 * Z95 * claimed * (1 - claimed) / (WIDE * WIDE))
    return "cannot tell", f"± {100 * half:.1f} points; about {needed:,} images make it ± 1"


def decided(claimed: float, low: int, high: int, n: int) -> Verdict | None:
    """The verdict that every count from `low` to `high` of `n` images comes to, if there is one."""
    ends = [Accuracy.of(correct, n) for correct in (low, high)]
    widest = Accuracy.of(min(max(n // 2, low), high), n)  # intervals are, in the middle
    verdicts = {judge(claimed, one)[0] for one in (*ends, widest)}
    is_between = ends[0].ci95[1] < claimed < ends[1].ci95[0]
    return verdicts.pop() if len(verdicts) == 1 and not is_between else None


def judge_early(claimed: float, full_run: tuple[float, float], n: int) -> tuple[Verdict, str]:
    """As `judge`, of a run whose whole number lies in `full_run`, which is sure to 95 %."""
    found = f"the whole run would find {percent_range(*full_run)} %"
    low, high = (round(end * n) for end in full_run)
    verdict = decided(claimed, low, high, n)
    if verdict is None:
        return "cannot tell", f"{found}, and its verdict is not decided: go on without an end"
    why = f"decided early: {found}, and any number of that comes to the same verdict"
    if verdict == "cannot tell":
        why += f"; {judge(claimed, Accuracy.of(high, n))[1]}"
    return verdict, why
