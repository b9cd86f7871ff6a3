"""The points of a board's charts, as its first view shows them: both numbers of one source."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eval.report.percent import percent
from leaderboard.boards import Board
from leaderboard.columns import CLEAN, Column, family
from leaderboard.numbers import Number
from leaderboard.places import slug
from leaderboard.rows import BoardRow
from leaderboard.site.boardrows import triple, year
from leaderboard.site.boardview import WHOSE, columns_by_attack
from leaderboard.site.numbers import whose
from leaderboard.site.pictures import placed
from leaderboard.sources import clean_beside
from leaderboard.texts import mark


def board_pictures(board: Board, files: dict[str, str]) -> dict[str, Any]:
    """The board's charts as pictures, which join `files`, by the name of the chart."""
    data = {"points": board_points(board, first_attack(board))}
    names = ("scatter", "progress", "parameters", "flops")
    return {name: placed(files, name, data, place=board.key, up="../") for name in names}


def first_attack(board: Board) -> str:
    """What the page shows first: the attack that ranks, else that with most numbers; a slug."""
    if board.ranked_by:
        return slug(board.ranked_by)
    robust = (it for row in board.rows for it in columns_by_attack([row]) if it.key != CLEAN)
    filled = Counter(slug(family(it.key)) for it in robust)
    return max(filled, key=filled.__getitem__, default="")


def board_points(board: Board, attack: str) -> list[dict[str, Any]]:
    """A point for what is best known of each row; where nothing is, for each number of `attack`.

    attack: as a slug. As the page first shows it, see numbersDrawn in assets/board.js.
    """
    drawn: list[tuple[BoardRow, Column, Number]] = []
    has_best = any(row.best for row in board.rows)
    for row in board.rows:
        if row.best:
            drawn.append((row, row.best.column, row.best.number))
        same = [it for it in columns_by_attack([row]) if slug(family(it.key)) == attack]
        firsts = {it.source: it for it in reversed(same)}
        drawn += [(row, it, row.numbers[it]) for it in firsts.values() if not has_best]
    found = []
    for row, column, number in drawn:
        counts = row.rank is not None if board.ranked_by else not row.doubts
        shown = point(row, column, number, up="../")
        found.append(shown | {"counts": counts and not shown["mark"]})
    return found


def point(row: BoardRow, column: Column, robust: Number, *, up: str) -> dict[str, Any]:
    """A point at `robust`, a number of `column` or what is known beyond it; up: to the site's root.

    x is the clean accuracy by the same source, null where that gives none.
    """
    clean = clean_beside(row, column)
    y, y_low, y_high = triple(robust)
    x, x_low, x_high = triple(clean)
    lines = [
        [whose(column, robust), ""],
        ["robust", f"{percent(robust.accuracy)}{mark(robust)}"],
        ["clean", percent(clean.accuracy) if clean else "not of this source"],
        *([["architecture", row.architecture]] if row.architecture else []),
    ]
    return {
        "name": row.model,
        "page": f"{up}models/{row.key}.html",
        "kind": WHOSE[column.source],
        "z": 2 if column.source == "measured" else 1,
        "x": x,
        "x_low": x_low,
        "x_high": x_high,
        "y": y,
        "y_low": y_low,
        "y_high": y_high,
        "mark": mark(robust),
        "parameters": row.parameters,
        "flops": row.flops,
        "year": year(row),
        "lines": lines,
    }
