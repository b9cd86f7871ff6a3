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
from statistics import fmean
from typing import TYPE_CHECKING, Self

from pydantic import Field

from eval.attacks import build
from eval.frozen import Frozen
from eval.planning.fates import End, Fate, first_fate, later_fate, length, sampled
from eval.planning.work import work_of

if TYPE_CHECKING:
    from eval.attacks.attack import Attack
    from eval.executors.base import Setting
    from eval.planning.rehearsal import Rehearsed
    from eval.planning.shares import Shares
    from eval.planning.work import Speed, Work
    from eval.stage import Stage

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
            fate = first_fate(attack, tried, like, attacked.expected)
        else:
            fate = later_fate(attack, tried, like, attacked.expected, setting.threat.eps)
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


def _cost(
    attack: Attack,
    tried: Rehearsed,
    fate: Fate,
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
        n_steps = length(f, b, tried)
        n_batches = fmean((math.ceil(n_survive / batch_size), math.ceil(n / batch_size)))
        n_turns = max(n_batches * n_steps, whole * n_steps / batch_size)
        seconds.append(
            factor
            * (
                at_once * n_turns
                + per_row * whole * n_steps
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
