"""What becomes of the images of a stage: how many fall, and what passes they take until then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from eval.intervals import wilson

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.planning.rehearsal import Rehearsed
    from eval.planning.shares import ReportShares, StageShare

LATE = (0.0, 0.02, 0.12)
"""Of the images that stand after `FIRST_TURNS`, the share that the rest of the first stage breaks:
at least, expected, at most. Measured on this project's models: 0 to 2 %."""

OTHER_BALL = (3.0, 0.05)
"""Where no Report is of this ball, the largest share of broken images times this, and this more."""


class End(NamedTuple):
    """A value at the low end of the cost, as expected, and at the high end."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class Fate:
    """What becomes of the images of a stage.

    broken: the share that falls; its low is what makes the run cheap, so the largest share.
    forwards, backwards: of a survivor. broken_cost: of one that falls, as a share of these.
    """

    broken: End
    forwards: End
    backwards: End
    broken_cost: End


def sampled(k: int, n: int, n_all: float) -> tuple[float, float]:
    """95 % interval for the share of n_all images of a kind that k of n of them are of."""
    if n >= n_all:
        return k / n, k / n
    scale = (n_all - 1) / (n_all - n)
    return wilson(k * scale, n * scale)


def first_fate(
    attack: Attack,
    tried: Rehearsed,
    like: Sequence[tuple[ReportShares, StageShare]],
    n_attacked: float,
) -> Fate:
    """From what was tried: most of what falls to a first stage falls in its first steps."""
    n_standing = tried.n - len(tried.broken_after)
    low, high = sampled(n_standing, tried.n, n_attacked)
    least, usual, most = (0.0, 0.0, 0.0) if tried.is_over else LATE
    broken = End(
        1 - low * (1 - most), 1 - n_standing / tried.n * (1 - usual), 1 - high * (1 - least)
    )
    forwards, backwards = _passes_of_survivors(attack, tried, like)
    n_turns = max(length(forwards.expected, backwards.expected, tried), 1.0)
    early = fmean(tried.broken_after) / n_turns if tried.broken_after else 1 / n_turns
    n_late = usual * n_standing / max(broken.expected * tried.n, 1e-9)
    cost = End(min(1.0, early), min(1.0, early + 0.5 * n_late), min(1.0, 1.5 * early + 0.1))
    return Fate(broken, forwards, backwards, cost if attack.leaves_when_broken else End(1, 1, 1))


def later_fate(
    attack: Attack,
    tried: Rehearsed,
    like: Sequence[tuple[ReportShares, StageShare]],
    n_attacked: float,
    eps: float,
) -> Fate:
    """From Reports of the same stages; what was tried tells where a model is unlike theirs."""
    forwards, backwards = _passes_of_survivors(attack, tried, like)
    n_fallen = len(tried.broken_after)
    seen_least, seen_most = wilson(n_fallen, tried.n)
    seen = n_fallen / tried.n
    if not like:
        return Fate(End(1.0, seen, 0.0), forwards, backwards, End(0.0, 0.3, 1.0))
    broken = falling(like, n_attacked, eps)
    if seen_least > broken.low:  # unlike the models of the Reports
        broken = End(seen_most, seen, broken.high)
    return Fate(broken, forwards, backwards, End(0.05, 0.25, 0.6))


def falling(like: Sequence[tuple[ReportShares, StageShare]], n_attacked: float, eps: float) -> End:
    """The share of n_attacked images that a stage breaks, as far as Reports of it tell.

    like: such Reports, with the stage's share in each. The low end of the cost is the largest.
    """
    shares = [share for _, share in like if share.attacked]
    rates = [_rate(share, n_attacked) for share in shares]
    most, least = max(rate[1] for rate in rates), min(rate[0] for rate in rates)
    usual = sum(share.broken for share in shares) / sum(share.attacked for share in shares)
    if all(not math.isclose(report.eps, eps) for report, _ in like):
        most, least = min(1.0, OTHER_BALL[0] * most + OTHER_BALL[1]), 0.0
    return End(most, usual, least)


def _rate(share: StageShare, n: float) -> tuple[float, float]:
    """Where the share of broken ones of n images is, like this one, but a sample."""
    size = max(1.0, min(float(share.attacked), n))
    return wilson(share.broken * size / share.attacked, size)


def _passes_of_survivors(
    attack: Attack, tried: Rehearsed, like: Sequence[tuple[ReportShares, StageShare]]
) -> tuple[End, End]:
    """Forwards and backwards of an image that survives, without the polish."""
    most = attack.most_passes(0)
    most_backwards = most.gradients + most.exact_gradients
    most_forwards = most.forwards + most.exact_forwards + most_backwards
    n_turns = attack.n_runs * (attack.n_steps + 1)
    forwards = min(n_turns * tried.row_passes[0] + tried.prepared[0], most_forwards)
    backwards = min(n_turns * tried.row_passes[1] + tried.prepared[1], most_backwards)
    return (
        _as_reported(forwards, most_forwards, [(s.forwards, s) for _, s in like]),
        _as_reported(backwards, most_backwards, [(s.backwards, s) for _, s in like]),
    )


def _as_reported(tried: float, most: float, like: Sequence[tuple[int, StageShare]]) -> End:
    """`tried`, or what Reports say where survivors need fewer passes than they might."""
    rates = [passes / share.attacked for passes, share in like if share.attacked]
    is_exact = all(
        passes >= (share.attacked - share.broken) * most or not most for passes, share in like
    )
    if math.isclose(tried, most, rel_tol=0.02) or not most:
        return End(tried, tried, tried)
    if is_exact or not rates:
        return End(0.9 * tried, tried, min(1.25 * tried, most))
    return End(0.95 * min(rates), fmean(rates), min(1.05 * max(rates), most))


def length(forwards: float, backwards: float, tried: Rehearsed) -> float:
    """Turns of an image that takes so many passes; on a GPU a turn is several steps."""
    row_forwards, row_backwards = tried.row_passes
    if backwards and row_backwards:
        return backwards / row_backwards
    return forwards / max(row_forwards, 1e-9)
