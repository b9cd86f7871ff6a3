"""Robust accuracy by activation: a strip of points for each board and attack, and its medians."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.boards import Board
from leaderboard.columns import CLEAN, family
from leaderboard.site.boardpoints import point
from leaderboard.site.boardview import board_name, columns_by_attack

FIELDS = ("name", "page", "kind", "z", "y", "mark", "lines")
"""Of a point what its strip needs."""


def strips_of(board: Board) -> list[dict[str, Any]]:
    """One strip chart for each attack under which two activations have a number.

    Of one row and one kind of source the first column of an attack counts, as in a board's chart.
    """
    by_attack: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in board.rows:
        taken = set()
        for it in columns_by_attack([row]):
            name = family(it.key)
            if row.activation and it.key != CLEAN and (name, it.source) not in taken:
                taken.add((name, it.source))
                shown = point(row, it, row.numbers[it], up="")
                kept = {field: shown[field] for field in FIELDS}
                by_attack[name].append(kept | {"activation": row.activation})
    return [
        {
            "label": f"{board_name(board)}, {board.subset}: {name}",
            "points": found,
            "table": _medians(found),
        }
        for name, found in by_attack.items()
        if len({it["activation"] for it in found}) > 1
    ]


def _medians(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line an activation; a median that holds an estimate is marked as one, as is a best."""
    by_name: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for it in found:
        by_name[it["activation"]].append((it["y"], it["mark"]))
    lines = [
        (name, statistics.median(y for y, _ in points), max(mark for _, mark in points), points)
        for name, points in by_name.items()
    ]
    return [
        {
            "activation": name,
            "n": len(points),
            "median": f"{median:.1f}{marked}",
            "best": "{:.1f}{}".format(*max(points)),
        }
        for name, median, marked, points in sorted(lines, key=lambda line: -line[1])
    ]
