"""What a smooth activation gains over several training runs: by seeds *and* images.

One pair of runs tells of two networks: a paired interval over its images says how sure the
difference of these two is, and nothing of what another seed would bring.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from leaderboard.boards import Board
from leaderboard.columns import CLEAN
from leaderboard.numbers import Measured
from leaderboard.origins import Who
from leaderboard.rows import BoardRow
from leaderboard.twins import holds, is_twin, report_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Held: TypeAlias = "NDArray[np.bool_]"
"""(S, N): does the run of each of S seeds hold each of N images, the same for all runs?"""


@dataclass(frozen=True)
class Runs:
    """The accuracies of one model's training runs, in [0, 1], of two seeds or more."""

    model: str
    model_key: str
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def spread(self) -> float:
        """Standard deviation from seed to seed, of a sample: with S - 1 below."""
        mean = self.mean
        squares = sum((one - mean) ** 2 for one in self.accuracies)
        return math.sqrt(squares / (len(self.accuracies) - 1))


@dataclass(frozen=True)
class GainOverSeeds:
    """The mean accuracy of `model` minus that of its ReLU twin, over their runs on n images.

    board, protocol, origin: as of `leaderboard.twins.Gain`. low, high: see `interval_over_seeds`.
    """

    board: str
    protocol: str
    origin: Who
    n: int
    model: Runs
    twin: Runs
    low: float
    high: float

    @property
    def difference(self) -> float:
        """In [-1, 1]."""
        return self.model.mean - self.twin.mean

    @property
    def is_clear(self) -> bool:
        """Whether the interval shows a difference."""
        return not self.low <= 0 <= self.high

    @property
    def of_seeds_alone(self) -> float:
        """How far one run of each is apart at most, in 19 of 20, if nothing but the seed differs.

        From the spread of all runs, pooled; the quantile is Student's, for as few as they are.
        """
        from scipy.special import stdtrit  # not at import: it takes a while

        parts = [(len(one.accuracies) - 1, one.spread) for one in (self.model, self.twin)]
        freedom = sum(degrees for degrees, _ in parts)
        variance = sum(degrees * spread**2 for degrees, spread in parts) / freedom
        return float(stdtrit(freedom, 0.975)) * math.sqrt(2 * variance)


def interval_over_seeds(a: Held, b: Held) -> tuple[float, float]:
    """95 % interval of mean accuracy A minus B for other seeds of both, and other images.

    a, b: two seeds or more of each, on the same N >= 2 images. Two parts add up: the paired
    difference of each image, averaged over the seeds, varies from image to image (what a bootstrap
    of images for all runs at once tends to), and each model's accuracy varies from seed to seed
    (seeds of A and of B are drawn apart). The quantile is Student's, with the degrees of freedom of
    Satterthwaite 1946, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2, p. 110: of three seeds their spread is hardly known. What one seed makes
    of one image counts in both parts, so the interval is rather too wide, as is the bootstrap of
    both ways in Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1, p. 386.
    Raises `ValueError` for fewer seeds or images, or other images.
    """
    from scipy.special import stdtrit  # not at import: it takes a while

    if a.shape[1] != b.shape[1] or min(a.shape[0], b.shape[0]) < 2 or a.shape[1] < 2:
        raise ValueError(f"no interval over seeds of shapes {a.shape} and {b.shape}")
    paired = a.mean(0) - b.mean(0)
    n = len(paired)
    parts = [(float(paired.var(ddof=1)) / n, n - 1)]
    parts += [(float(one.mean(1).var(ddof=1)) / len(one), len(one) - 1) for one in (a, b)]
    variance = sum(part for part, _ in parts)
    middle = float(paired.mean())
    if variance == 0:
        return middle, middle
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    return max(-1.0, middle - half), min(1.0, middle + half)


def gains_over_seeds(boards: Sequence[Board]) -> tuple[GainOverSeeds, ...]:
    """Every gain over a ReLU twin for which both have two runs or more on the same images."""
    return tuple(
        gain
        for board in boards
        for runs, others in _pairs(board)
        for column in (CLEAN, *runs[0].robust)
        if (gain := _gain(board, column, runs, others)) is not None
    )


def _pairs(board: Board) -> Iterator[tuple[list[BoardRow], list[BoardRow]]]:
    """The rows of a smooth model's runs and of its twin's, the first run first."""
    runs: dict[str, list[BoardRow]] = {}
    for row in board.rows:
        if row.card is not None:
            runs.setdefault(row.card.seed_of or row.card.name, []).append(row)
    for some in runs.values():
        some.sort(key=lambda row: (row.card.seed or 0) if row.card else 0)
    several = [some for some in runs.values() if len(some) > 1]
    for ours in several:
        for theirs in several:
            one, other = ours[0].card, theirs[0].card
            if one and other and is_twin(one, other):
                yield ours, theirs


def _gain(
    board: Board, column: str, runs: Sequence[BoardRow], others: Sequence[BoardRow]
) -> GainOverSeeds | None:
    ours, theirs = (_measured(some, column) for some in (runs, others))
    if min(len(ours), len(theirs)) < 2:
        return None
    every = [*ours, *theirs]
    reports = [report_of(row, found) for row, found in every]
    if len({(one.images.ids, one.images.labels) for one in reports}) > 1:
        return None
    if len({found.origin for _, found in every}) > 1:
        return None
    import numpy as np  # not at import, for what shows a table

    held = np.array([holds(one, clean=column == CLEAN) for one in reports])
    low, high = interval_over_seeds(held[: len(ours)], held[len(ours) :])
    return GainOverSeeds(
        board=board.key,
        protocol=column,
        origin=every[0][1].origin,
        n=held.shape[1],
        model=_runs(runs[0], ours),
        twin=_runs(others[0], theirs),
        low=low,
        high=high,
    )


def _measured(rows: Sequence[BoardRow], column: str) -> list[tuple[BoardRow, Measured]]:
    """Exact numbers alone, as for a paired difference of two runs."""
    found = [(row, row.measured(column)) for row in rows]
    return [(row, one) for row, one in found if one is not None and not one.estimated]


def _runs(first: BoardRow, found: Sequence[tuple[BoardRow, Measured]]) -> Runs:
    """By the name of the first run, also where that one has no number."""
    return Runs(first.model, first.key, tuple(one.accuracy for _, one in found))
