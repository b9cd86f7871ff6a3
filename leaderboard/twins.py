"""What a smooth model gains over its ReLU twin: same architecture, recipe and images, paired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.errors import ReportError
from eval.report.report import OPEN, Report
from leaderboard.boards import Board
from leaderboard.columns import CLEAN
from leaderboard.numbers import Measured
from leaderboard.origins import Who
from leaderboard.rows import BoardRow
from leaderboard.stats import Paired
from zoo.cards import ModelCard


@dataclass(frozen=True)
class Gain:
    """`model` against `twin` under one protocol on the same n images.

    only_model, only_twin: images that just one of the two holds. difference: accuracy of the model
    minus that of the twin, with its 95 % interval (`leaderboard.stats.Paired.interval`) and the
    exact McNemar p-value. board: the key of the board that both stand on; model_key, twin_key: of
    their rows. origin: who measured both. protocol: the column, "clean" for clean accuracy.
    """

    board: str
    model: str
    twin: str
    model_key: str
    twin_key: str
    protocol: str
    origin: Who
    n: int
    only_model: int
    only_twin: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def is_clear(self) -> bool:
        """Whether both the paired interval and the exact test, each at 95 %, show a difference."""
        return not self.low <= 0 <= self.high and self.p_value < 0.05


def twins(boards: Sequence[Board]) -> tuple[Gain, ...]:
    """Every gain that can be measured: pairs that differ in nothing but the activation.

    None of an estimate: a paired difference needs the verdicts of all images. `compare` says what
    those that are there tell.
    """
    return tuple(
        gain
        for board in boards
        for row in board.rows
        for twin in board.rows
        if row.card and twin.card and is_twin(row.card, twin.card)
        for gain in _gains(board, row, twin)
    )


def is_twin(smooth: ModelCard, relu: ModelCard) -> bool:
    """Is `relu` the ReLU twin of `smooth`?

    Of the first run of each: what more runs tell is told of all together, see `leaderboard.seeds`.
    """
    if smooth.seed is not None or relu.seed is not None:
        return False
    if (smooth.method, relu.method, relu.activation) != ("sat", "at", "relu"):
        return False
    same = ("arch", "arch_args", "dataset", "classes", "input", "threat", "recipe", "family")
    return all(getattr(smooth, field) == getattr(relu, field) for field in same)


def holds(report: Report, *, clean: bool = False, among: Sequence[int] | None = None) -> list[bool]:
    """For each image: is it right without an attack, or does it stay right under all stages?

    among: positions of the images that are asked about; None for all. Raises `ReportError` if the
    second is asked of a report whose protocol has no stage, or of an image that is open: nobody
    knows whether that one is lost.
    """
    if not clean and report.robust is None:
        raise ReportError(
            f"the report of {report.model.name} is of {report.protocol.name}, which attacks"
            " nothing: it does not say which images are robust"
        )
    every = report.images.verdicts
    asked = every if among is None else [every[i] for i in among]
    if not clean and OPEN in asked:
        raise ReportError(
            f"the report of {report.model.name} is an estimate, {asked.count(OPEN)} of these images"
            " are open: it does not say whether they are robust"
        )
    return [(v != "clean") if clean else (v == "robust") for v in asked]


def _gains(board: Board, row: BoardRow, twin: BoardRow) -> Iterable[Gain]:
    pairs: list[tuple[str, Measured, Measured]] = [
        (column, measured, twin.robust[column])
        for column, measured in row.robust.items()
        if column in twin.robust
    ]
    if row.clean and twin.clean:
        pairs.insert(0, (CLEAN, row.clean, twin.clean))
    for column, ours, theirs in pairs:
        mine, other = report_of(row, ours), report_of(twin, theirs)
        if ours.estimated or theirs.estimated or ours.origin != theirs.origin:
            continue
        if mine.images.ids != other.images.ids or mine.images.labels != other.images.labels:
            continue
        is_clean = column == CLEAN
        paired = Paired.of(holds(mine, clean=is_clean), holds(other, clean=is_clean))
        low, high = paired.interval()
        yield Gain(
            board=board.key,
            model=row.model,
            twin=twin.model,
            model_key=row.key,
            twin_key=twin.key,
            protocol=column,
            origin=ours.origin,
            n=paired.n,
            only_model=paired.only_a,
            only_twin=paired.only_b,
            difference=paired.difference,
            low=low,
            high=high,
            p_value=paired.p_value(),
        )


def report_of(row: BoardRow, measured: Measured) -> Report:
    """The Report that a number of a row comes from."""
    return row.reports[row.report_paths.index(measured.report_path)]
