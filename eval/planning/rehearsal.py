"""The first steps of every stage, tried on a few images: how long they take, and how many fall."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from eval.attacks import build
from eval.engine.heap import freed_memory_kept
from eval.executors.base import Broken, Meter, Setting
from eval.executors.stage_search import StageSearch

if TYPE_CHECKING:
    from eval.stage import Stage

FIRST_TURNS = 12
"""Of the first stage. Of what APGD and PGD break on the models of this project, they break 95 to
100 % in their first ten steps."""

LATER_TURNS = 33
"""Of each other stage, and of Square in particular: it makes its next 32 windows at once."""

ENOUGH_S = 2.0
"""Later stages are not tried for longer than this, but for their first turns: where a turn takes
long, the network takes it all, and the next turns take the same."""

FIRST_S = 10.0
"""What the first stage's turns are to take at most; it is tried on fewer images else..."""

LEAST_ROWS = 8
"""... but not on fewer than these, of which a majority that falls is known to be none by chance."""


@dataclass(frozen=True)
class Turns:
    """What turns of one stage took, without the first of them, which begins the images' runs.

    rows: images under way in each; seconds: of each.
    """

    rows: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def mean_rows(self) -> float:
        """Images in a turn."""
        return fmean(self.rows)

    @property
    def mean_seconds(self) -> float:
        """Of a turn."""
        return fmean(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The mean of the faster half, and of the slower half, as shares of the mean."""
        ordered, half = sorted(self.seconds), (len(self.seconds) + 1) // 2
        mean = self.mean_seconds
        return fmean(ordered[:half]) / mean, fmean(ordered[-half:]) / mean


@dataclass(frozen=True)
class Rehearsed:
    """A stage's first steps.

    n: images that were tried; broken_after: of each that fell, after how many turns. n_turns: that
    were made, all there are where is_over. start_seconds: of the first turn. row_passes: forwards,
    and backwards, of an image in a turn; prepared: of what comes before its first run. many, few:
    turns of batches of two sizes.
    """

    n: int
    broken_after: tuple[int, ...]
    n_turns: int
    is_over: bool
    start_seconds: float
    row_passes: tuple[float, float]
    prepared: tuple[float, float]
    many: Turns
    few: Turns

    @property
    def seconds_per_turn(self) -> tuple[float, float]:
        """Of a turn, however few rows it has, and of each row on top: the line through both."""
        rows, fewer = self.many.mean_rows, self.few.mean_rows
        slope = self.many.mean_seconds / rows
        if rows > fewer:
            rise = (self.many.mean_seconds - self.few.mean_seconds) / (rows - fewer)
            slope = min(max(rise, 0.0), slope)
        return self.many.mean_seconds - slope * rows, slope


@freed_memory_kept()
def rehearse(
    setting: Setting,
    stages: Sequence[Stage],
    positions: Sequence[int],
    batch_size: int,
    row_s: float,
) -> list[Rehearsed]:
    """Try the first steps of each stage on images that the model gets right; keep nothing of it.

    positions: of these images; each stage tries those that stand after the stages before it.
    row_s: seconds of a gradient of one image.
    """
    n_rows = min(batch_size, max(LEAST_ROWS, int(FIRST_S / FIRST_TURNS / max(row_s, 1e-9))))
    standing, found = [*positions], []
    for i, stage in enumerate(stages):
        rows = standing[:n_rows] or [*positions[:n_rows]]
        one, fallen = _rehearsed(setting, stage, rows, is_first=i == 0)
        found.append(one)
        standing = [p for p in rows if p not in fallen]
    return found


def _rehearsed(
    setting: Setting, stage: Stage, rows: Sequence[int], *, is_first: bool
) -> tuple[Rehearsed, set[int]]:
    n_turns, seconds = (FIRST_TURNS, float("inf")) if is_first else (LATER_TURNS, ENOUGH_S)
    few = _Trial(setting, stage, rows[: max(1, len(rows) // 4)])
    few.run(max(3, n_turns // 3), min(seconds, ENOUGH_S / 2))
    trial = _Trial(setting, stage, rows)
    trial.run(n_turns, seconds)
    return Rehearsed(
        n=len(rows),
        broken_after=tuple(trial.broken.values()),
        n_turns=len(trial.seconds),
        is_over=not trial.search.has_work,
        start_seconds=trial.seconds[0],
        row_passes=trial.row_passes,
        prepared=trial.prepared,
        many=trial.turns,
        few=few.turns,
    ), {*trial.broken}


class _Trial:
    """Turns of one stage on some rows."""

    def __init__(self, setting: Setting, stage: Stage, rows: Sequence[int]) -> None:
        self._setting = setting
        attack = build(stage, setting.threat, setting.n_classes)
        meter = Meter(stage.name, setting.engine.passes)
        self.search = StageSearch(setting, stage.name, attack, len(rows), meter)
        self.search.add(rows)
        self.rows: list[int] = []
        self.seconds: list[float] = []
        self.broken: dict[int, int] = {}
        self.passes: list[tuple[int, int]] = [setting.engine.passes()]

    def run(self, n_turns: int, seconds: float) -> None:
        """At most so many turns, for about so long, but two at least where there are two."""
        while self.search.has_work and len(self.seconds) < n_turns:
            if len(self.seconds) > 1 and sum(self.seconds) > seconds:
                break
            self.rows.append(self.search.n_rows)
            started = time.perf_counter()
            events = [*self.search.turn()]
            if self._setting.device.type == "cuda":
                torch.cuda.synchronize(self._setting.device)
            self.seconds.append(time.perf_counter() - started)
            self.passes.append(self._setting.engine.passes())
            for event in events:
                if isinstance(event, Broken):
                    self.broken.setdefault(event.position, len(self.seconds))

    @property
    def turns(self) -> Turns:
        """All but the first, where there are more."""
        first = self._first
        return Turns(tuple(self.rows[first:]), tuple(self.seconds[first:]))

    @property
    def row_passes(self) -> tuple[float, float]:
        """Forwards, and backwards, of an image in one of `turns`."""
        first, n = self._first, sum(self.turns.rows)
        before, after = self.passes[first], self.passes[-1]
        return (after[0] - before[0]) / n, (after[1] - before[1]) / n

    @property
    def prepared(self) -> tuple[float, float]:
        """Forwards, and backwards, that the first turn took beyond a start and a step."""
        before, after = self.passes[:2]
        spent = [(b - a) / self.rows[0] for a, b in zip(before, after, strict=True)]
        row = self.row_passes
        return max(0.0, spent[0] - 2 * row[0]), max(0.0, spent[1] - 2 * row[1])

    @property
    def _first(self) -> int:
        return min(1, len(self.seconds) - 1)
