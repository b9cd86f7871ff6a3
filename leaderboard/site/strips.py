"""Robust accuracy by activation: a strip of points for each board and attack, and its medians."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.percent import percent
from leaderboard.boards import Board
from leaderboard.columns import family
from leaderboard.rows import BoardRow
from leaderboard.site.boardview import WHOSE, attack, board_name, chart_values, columns_by_attack


def strips_of(board: Board) -> list[dict[str, Any]]:
    """One strip chart for each attack under which two activations have a number."""
    by_attack: dict[str, list[dict[str, Any]]] = defaultdict(list)
    labels = {}
    all_columns = columns_by_attack(board.rows)
    for row in board.rows:
        if not row.activation:
            continue
        for key, numbers in chart_values(row, all_columns).items():
            labels[key] = next(family(it.key) for it in all_columns if attack(it) == key)
            by_attack[key] += [_strip_point(row, kind, it) for kind, it in numbers.items()]
    return [
        {
            "label": f"{board_name(board)}, {board.subset}: {labels[key]}",
            "points": found,
            "table": _medians(found),
        }
        for key, found in by_attack.items()
        if len({point["activation"] for point in found}) > 1
    ]


def _strip_point(row: BoardRow, kind: str, numbers: Sequence[Any]) -> dict[str, Any]:
    lines = [[WHOSE[kind], ""], ["robust", f"{percent(numbers[3] / 100)}{numbers[7]}"]]
    lines.append(["architecture", row.architecture or "not stated"])
    return {
        "name": row.model,
        "page": f"models/{row.key}.html",
        "activation": row.activation,
        "kind": WHOSE[kind],
        "z": 2 if kind == "measured" else 1,
        "y": numbers[3],
        "mark": numbers[7],
        "lines": lines,
        "described": f"{row.model}, {row.activation}, {numbers[3]}{numbers[7]}",
    }


def _medians(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line an activation; a median that holds an estimate is marked as one, as is a best."""
    by_name: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for point in found:
        by_name[point["activation"]].append((point["y"], point["mark"]))
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
