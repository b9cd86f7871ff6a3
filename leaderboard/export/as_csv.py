"""The leaderboard as CSV, a line a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from leaderboard import escape
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import BEST, Column, family
from leaderboard.numbers import Claimed, Measured, Number
from leaderboard.rows import BoardRow
from leaderboard.texts import about_best, yes_no

_CSV = (
    *("dataset", "norm", "eps", "images", "rank_first", "rank_last", "model"),
    *("architecture", "activation", "extra_data", "parameters", "flops", "source", "attack"),
    *(
        "protocol",
        "accuracy",
        "low",
        "high",
        "n",
        "correct",
        "flags",
        "unranked",
        "excluded",
        "from",
        "note",
    ),
    *("estimated", "open", "full_run_low", "full_run_high", "measured_by", "run_again"),
    "fingerprint",
)


def to_csv(whole: Leaderboard) -> str:
    """One line a number, with what it is about; accuracies are fractions.

    estimated: yes or no for a measured one. low, high: for the distribution of the images, of an
    estimate too; full_run_low, full_run_high: for what the whole run would find on these images.
    measured_by, run_again: see `leaderboard.origins`. fingerprint: of the hyper-parameters, see
    `eval.fingerprint`; empty of clean accuracy and where nobody publishes them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for board in whole.boards:
        for row in (*board.rows, *board.excluded):
            for line in _csv_lines(board, row):
                whole_line = [*line, *[None] * (len(_CSV) - len(line))]
                writer.writerow(
                    [escape.csv_cell(v) if isinstance(v, str) else _or_empty(v) for v in whole_line]
                )
    return text.getvalue()


def _csv_lines(board: Board, row: BoardRow) -> Iterator[list[Any]]:
    about: list[Any] = [board.dataset, board.norm, board.eps, board.subset]
    about += [row.rank.first, row.rank.last] if row.rank else [None, None]
    about += [row.model, row.architecture, row.activation, yes_no(row.extra_data)]
    about += [row.parameters, row.flops]
    why = [" ".join(flag.code for flag in row.flags), row.unranked, row.excluded]
    if row.best:
        best = _csv_number(BEST, row.best.column.key, row.best.number)
        if row.best.stronger:  # of an attack that is not the column's, and has no name here
            best[1:3] = [f"stronger than {best[1]}", f"stronger than {best[2]}"]
        yield [*about, *best, *why, about_best(row.best)]
    for column, found in row.numbers.items():
        yield [*about, *_csv_number(column, column.key, found), *why, *_csv_source(found)]


def _csv_number(column: Column, key: str, found: Number) -> list[Any]:
    correct = found.correct if isinstance(found, Measured) else None
    what = [column.source, family(key), key, found.accuracy, found.low, found.high]
    return [*what, found.n, correct]


def _csv_source(found: Measured | Claimed) -> list[Any]:
    if isinstance(found, Measured):
        whose = found.origin, yes_no(found.reran)
        return [found.report_path.name, None, *_csv_estimate(found), *whose, found.fingerprint]
    return [found.source, found.note, *[None] * 6, found.fingerprint]


def _csv_estimate(found: Measured) -> list[Any]:
    if found.estimated is None:
        return ["no", 0, None, None]
    return ["yes", found.estimated.n_open, *found.estimated.full_run]


def _or_empty(value: Any) -> Any:
    return "" if value is None else value
