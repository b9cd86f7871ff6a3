"""When an evaluation ends before its last image is done. No torch here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from eval.errors import UsageError
from eval.files.border import plain
from eval.foreign import refuse_foreign

if TYPE_CHECKING:
    from eval.estimate import Estimate
    from eval.protocols import Protocol

EndedBy = Literal["until", "budget", "interruption"]

MOST_POINTS = 50
"""Half the width of [0, 1], in points: an interval is never wider."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", re.ASCII)


@dataclass(frozen=True)
class EarlyEnd:
    """What ends a run early, whichever comes first; by itself nothing does.

    points: half the width of the 95 % interval, in percentage points, that is enough. is_enough:
    asked instead, of what is known. seconds: how long this session may take.
    """

    points: float | None = None
    is_enough: Callable[[Estimate], bool] | None = None
    seconds: float | None = None

    @classmethod
    def of(
        cls,
        until: float | str | Callable[[Estimate], bool] | None,
        budget: str | timedelta | None,
        protocol: Protocol,
        engine: str,
    ) -> Self:
        """What the arguments of `eval.evaluate` with these names mean.

        Raises `UsageError` for a width or a time that cannot be, without an attack, and for the
        engine that searches whole batches of the data's order.
        """
        points = None if until is None or callable(until) else points_of(until)
        seconds = None if budget is None else _seconds(budget)
        which = "until" if until is not None else "budget"
        if until is None and budget is None:
            return cls()
        if not protocol.stages:
            raise UsageError(
                f"`{which}` ends an attack, and attack {protocol.name!r} attacks nothing: leave it"
                " out, or name an attack"
            )
        if engine != "fast":
            raise UsageError(
                f"`{which}` needs images in an order drawn by chance, and engine {engine!r} attacks"
                " batches in the order of the data: use `engine='fast'`"
            )
        refuse_foreign(
            protocol.stages,
            f"`{which}`",
            "it needs images in an order drawn by chance, and this attack has batches in the order"
            " of the data",
        )
        return cls(points, until if callable(until) else None, seconds)

    def is_reached(self, estimate: Estimate) -> bool:
        """Whether `estimate` is as good as was asked for."""
        if self.is_enough is not None:
            return self.is_enough(estimate)
        return self.points is not None and 100 * estimate.half_width <= self.points


def points_of(until: object) -> float:
    """Half the width of an interval, in percentage points; raises `UsageError` where it is none."""
    try:
        points = float(until)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        points = math.nan
    if isinstance(until, bool) or not 0 < points <= MOST_POINTS:
        raise UsageError(
            f"`until` {plain(str(until), 40)} is no half width of an interval in percentage points:"
            f" give a number above 0 and up to {MOST_POINTS}, as 1.0 for ± 1 point"
        )
    return points


def _seconds(budget: object) -> float:
    if isinstance(budget, timedelta):
        seconds = budget.total_seconds()
    else:
        text = budget.replace(" ", "") if isinstance(budget, str) else ""
        is_time = re.fullmatch(f"({_PART.pattern})+", text, re.ASCII) is not None
        seconds = sum(float(n) * _SECONDS[unit] for n, unit in _PART.findall(text)) * is_time
    if not 0 < seconds < math.inf:
        raise UsageError(
            f"`budget` {plain(str(budget), 40)} is no time: give a number above 0 with its unit,"
            " as 90s, 30m, 1h30m or 2d"
        )
    return seconds
