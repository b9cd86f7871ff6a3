"""What a run will probably cost, with a range: survivors, times passes, times measured seconds.

How many images survive the first stage is seen in its first steps on the model itself. How many of
these fall to the later stages, and what FAB takes, is known from Reports of the same stages, of
other models. Each is a range, and the ends of the result suppose that all are at their ends:

- counts are uncertain as samples are (Wilson's intervals; of the images here, without replacement);
- shares of Reports range over all Reports; where none is of this ball they are widened, and where
  none is of these stages the low end supposes that all images fall there;
- seconds range from the faster to the slower half of the turns that were timed, and `DRIFT` more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import Field

from eval.attacks import build
from eval.frozen import Frozen
from eval.intervals import wilson
from eval.planning.work import work_of

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.executors.base import Setting
    from eval.planning.rehearsal import Rehearsed
    from eval.planning.shares import ReportShares, Shares, StageShare
    from eval.planning.work import Speed, Work
    from eval.stage import Stage

LATE = (0.0, 0.02, 0.12)
"""Of the images that stand after `FIRST_TURNS`, the share that the rest of the first stage breaks:
at least, expected, at most. Measured on this project's models: 0 to 2 %."""

OTHER_BALL = (3.0, 0.05)
"""Where no Report is of this ball, the largest share of broken images times this, and this more."""

DRIFT = (0.85, 1.3)
"""How much faster or slower than now a machine is expected to be for the length of the run."""


BEGINNING = (0.4, 3.0)
"""The same of a run's beginning and its clean pass, where much is done for the first time."""


class Range(Frozen):
    """What is expected, and the two ends between which it is expected to lie."""

    expected: float
    low: float
    high: float

    @classmethod
    def of(cls, *values: float) -> Self:
        """Of the least, the expected and the largest, in the order low, expected, high."""
        low, expected, high = values
        return cls(expected=expected, low=min(low, expected), high=max(high, expected))


class Expected(Frozen):
    """What a stage, or the whole run, will probably come to."""

    attacked: Range = Field(description="images that come to it; of the whole: right images")
    forwards: Range
    backwards: Range
    seconds: Range


class End(NamedTuple):
    """A value at the low end of the cost, as expected, and at the high end."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class _Fate:
    """What becomes of the images of a stage.

    broken: the share that falls; its low is what makes the run cheap, so the largest share.
    forwards, backwards: of a survivor. broken_cost: of one that falls, as a share of these.
    """

    broken: End
    forwards: End
    backwards: End
    broken_cost: End


def expect(
    setting: Setting,
    stages: Sequence[Stage],
    rehearsed: Sequence[Rehearsed],
    known: Shares,
    right: End,
    batch_size: int,
    speed: Speed,
    own_digest: str,
) -> list[Expected]:
    """What each of `stages` will probably cost.

    right: how many images are right. own_digest: of the model's weights, whose Reports are left
    out. rehearsed: the first steps of each stage.
    """
    found, attacked = [], right
    for i, (stage, tried) in enumerate(zip(stages, rehearsed, strict=True)):
        attack = build(stage, setting.threat, setting.n_classes)
        polish = attack.polish_steps if setting.engine.precision == "bf16" else 0
        like = known.known(stages[: i + 1], without=own_digest)
        like = [pair for pair in like if pair[0].norm == setting.threat.norm]
        if i == 0:
            fate = _first_fate(attack, tried, like, attacked.expected)
        else:
            fate = _later_fate(attack, tried, like, attacked.expected, setting.threat.eps)
        found.append(_cost(attack, tried, fate, attacked, batch_size, speed, polish))
        attacked = End(*(n * (1 - p) for n, p in zip(attacked, fate.broken, strict=True)))
    return found


def right_images(n_right: int, n_looked_at: int, n: int) -> End:
    """How many of n images are right, where n_right of n_looked_at of them are."""
    low, high = sampled(n_right, n_looked_at, n)
    return End(low * n, n_right / n_looked_at * n, high * n)


def whole(
    clean: Work, begin_seconds: float, right: End, stages: Sequence[Expected]
) -> tuple[Expected, Expected]:
    """Of the clean pass with the beginning of a run, and of the whole run."""
    n = float(clean.forwards)
    first = Expected(
        attacked=Range.of(n, n, n),
        forwards=Range.of(n, n, n),
        backwards=Range.of(0.0, 0.0, 0.0),
        seconds=Range.of(
            BEGINNING[0] * (begin_seconds + clean.seconds),
            begin_seconds + clean.seconds,
            BEGINNING[1] * (begin_seconds + clean.seconds),
        ),
    )
    every = [first, *stages]
    return first, Expected(
        attacked=Range.of(*right),
        forwards=_sum(one.forwards for one in every),
        backwards=_sum(one.backwards for one in every),
        seconds=_sum(one.seconds for one in every),
    )


def unseen(setting: Setting, stages: Sequence[Stage], right: End, speed: Speed) -> list[Expected]:
    """What stages cost where no image that was looked at is right: probably nothing."""
    found = []
    for stage in stages:
        passes = build(stage, setting.threat, setting.n_classes).most_passes(0)
        most = work_of(passes, math.ceil(right.high), speed)
        found.append(
            Expected(
                attacked=Range.of(*right),
                forwards=Range.of(0.0, 0.0, most.forwards),
                backwards=Range.of(0.0, 0.0, most.backwards),
                seconds=Range.of(0.0, 0.0, DRIFT[1] * most.seconds),
            )
        )
    return found


def _sum(ranges: Iterable[Range]) -> Range:
    every = [*ranges]
    return Range(
        expected=sum(one.expected for one in every),
        low=sum(one.low for one in every),
        high=sum(one.high for one in every),
    )


def sampled(k: int, n: int, n_all: float) -> tuple[float, float]:
    """95 % interval for the share of n_all images of a kind that k of n of them are of."""
    if n >= n_all:
        return k / n, k / n
    scale = (n_all - 1) / (n_all - n)
    return wilson(k * scale, n * scale)


def _first_fate(
    attack: Attack,
    tried: Rehearsed,
    like: Sequence[tuple[ReportShares, StageShare]],
    n_attacked: float,
) -> _Fate:
    """From what was tried: most of what falls to a first stage falls in its first steps."""
    n_standing = tried.n - len(tried.broken_after)
    low, high = sampled(n_standing, tried.n, n_attacked)
    least, usual, most = (0.0, 0.0, 0.0) if tried.is_over else LATE
    broken = End(
        1 - low * (1 - most), 1 - n_standing / tried.n * (1 - usual), 1 - high * (1 - least)
    )
    forwards, backwards = _passes_of_survivors(attack, tried, like)
    length = max(_length(forwards.expected, backwards.expected, tried), 1.0)
    early = fmean(tried.broken_after) / length if tried.broken_after else 1 / length
    n_late = usual * n_standing / max(broken.expected * tried.n, 1e-9)
    cost = End(min(1.0, early), min(1.0, early + 0.5 * n_late), min(1.0, 1.5 * early + 0.1))
    return _Fate(broken, forwards, backwards, cost if attack.leaves_when_broken else End(1, 1, 1))


def _later_fate(
    attack: Attack,
    tried: Rehearsed,
    like: Sequence[tuple[ReportShares, StageShare]],
    n_attacked: float,
    eps: float,
) -> _Fate:
    """From Reports of the same stages; what was tried tells where a model is unlike theirs."""
    forwards, backwards = _passes_of_survivors(attack, tried, like)
    n_fallen = len(tried.broken_after)
    seen_least, seen_most = wilson(n_fallen, tried.n)
    seen = n_fallen / tried.n
    if not like:
        return _Fate(End(1.0, seen, 0.0), forwards, backwards, End(0.0, 0.3, 1.0))
    broken = falling(like, n_attacked, eps)
    if seen_least > broken.low:  # unlike the models of the Reports
        broken = End(seen_most, seen, broken.high)
    return _Fate(broken, forwards, backwards, End(0.05, 0.25, 0.6))


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
    most_forwards, most_backwards = most.forwards + most.gradients, most.gradients
    n_turns = attack.n_runs * (attack.n_steps + 1)
    forwards = min(n_turns * tried.row_passes[0], most_forwards)
    backwards = min(n_turns * tried.row_passes[1], most_backwards)
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


def _length(forwards: float, backwards: float, tried: Rehearsed) -> float:
    """Turns of an image that takes so many passes; on a GPU a turn is several steps."""
    row_forwards, row_backwards = tried.row_passes
    if backwards and row_backwards:
        return backwards / row_backwards
    return forwards / max(row_forwards, 1e-9)


def _cost(
    attack: Attack,
    tried: Rehearsed,
    fate: _Fate,
    attacked: End,
    batch_size: int,
    speed: Speed,
    polish: int,
) -> Expected:
    """What a stage costs whose images meet this fate."""
    at_once, per_row = tried.seconds_per_turn
    fast, slow = tried.many.spread
    factors = End(fast * DRIFT[0], 1.0, slow * DRIFT[1])
    forwards, backwards, seconds = [], [], []
    for n, broken, f, b, cost, factor in zip(
        attacked, fate.broken, fate.forwards, fate.backwards, fate.broken_cost, factors, strict=True
    ):
        n_survive, n_fall = n * (1 - broken), n * broken
        whole = n_survive + cost * n_fall
        exact = attack.run_passes(polish) if polish else (0, 0)
        forwards.append(whole * f + n_survive * sum(exact))
        backwards.append(whole * b + n_survive * exact[1])
        length = _length(f, b, tried)
        n_batches = fmean((math.ceil(n_survive / batch_size), math.ceil(n / batch_size)))
        n_turns = max(n_batches * length, whole * length / batch_size)
        seconds.append(
            factor
            * (
                at_once * n_turns
                + per_row * whole * length
                + tried.start_seconds * math.ceil(n / batch_size)
                + n_survive
                * (exact[0] * speed.exact_forward_seconds + exact[1] * speed.exact_gradient_seconds)
            )
        )
    return Expected(
        attacked=Range.of(*attacked),
        forwards=Range.of(*forwards),
        backwards=Range.of(*backwards),
        seconds=Range.of(*seconds),
    )
