"""The page of claims: what authors say beside what others measured, under one attack at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.percent import percent, percent_range
from leaderboard.boards import Board
from leaderboard.numbers import Number
from leaderboard.origins import measured_by
from leaderboard.rows import BoardRow
from leaderboard.site.boardview import WHOSE, board_name
from leaderboard.site.markup import percent_or_dash, points
from leaderboard.site.modelview import check_view

FIELDS = ("name", "page", "x", "y", "z", "far_off", "lines")
"""Of a line of the table what its point needs."""

N_NAMED = 6
"""Models that the chart names, those with the largest difference."""

MUCH = 0.05
"""How far above the third party's number a paper's own must be to be counted as far above."""


def claims_view(boards: Sequence[Board]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What templates/claims.html shows, and the data of its two charts."""
    checks = [
        check_view(check)
        | {"whose": measured_by(check.measured.origin, reran=check.measured.reran)}
        | {"key": row.key, "name": row.model, "board": board_name(board), "inside": check.inside}
        for board in boards
        for row in board.rows
        for check in row.checks
    ]
    reported = sorted(
        (line for board in boards for row in board.rows if (line := _reported(row, board))),
        key=lambda line: line["gap"],
    )
    for i, line in enumerate(reported):
        line["far_off"] = i < N_NAMED and line["gap"] < -MUCH
    across = sorted(line["x"] for line in reported)
    ends = [across[0], across[-1]] if across else []
    points = [{field: line[field] for field in FIELDS} for line in reported]
    data = {
        "checks": {"points": [point for it in checks for point in _check_points(it)]},
        "reported": {"points": points, "zero": [{"x": end, "y": end} for end in ends]},
    }
    view = {
        "checks": checks,
        "reported": reported,
        "checks_say": _checks_say(checks),
        "reported_say": _reported_say(reported),
    }
    return view, {"data": data}


def _checks_say(checks: Sequence[Mapping[str, Any]]) -> str:
    inside = sum(it["inside"] for it in checks)
    return f"{inside} of {len(checks)} claims lie inside the interval of the measurement"


def _reported_say(lines: Sequence[Mapping[str, Any]]) -> str:
    above = sum(line["gap"] < 0 for line in lines)
    far = sum(line["gap"] < -MUCH for line in lines)
    return (
        f"Of {above} of {len(lines)} models the paper reports more than a third party's AutoAttack"
        f" leaves, of {far} by more than {100 * MUCH:.0f} points"
    )


def _reported(row: BoardRow, board: Board) -> dict[str, Any] | None:
    """A paper's own number beside a third party's AutoAttack, for one model.

    What is best known is of another attack, and stands apart.
    """
    paper, found = row.published, row.third_party.get("autoattack")
    if paper is None or paper.reported is None or found is None or row.excluded:
        return None
    said, gap = paper.reported, found.accuracy - paper.reported
    best = found.best_known
    shown = {
        "key": row.key,
        "name": row.model,
        "board": board_name(board),
        "reported": percent_or_dash(said),
        "found": percent(found.accuracy),
        "found_range": _range(found),
        "best": percent(best.accuracy) if best else "",
        "best_range": _range(best) if best else "",
        "difference": points(gap),
    }
    labels = [
        ("board", "board"),
        ("reported", "reported"),
        ("AutoAttack", "found"),
        ("difference", "difference"),
        *([("best known", "best")] if best else []),
    ]
    lines = [[label, shown[key]] for label, key in labels]
    return shown | {
        "gap": gap,
        "x": round(100 * said, 2),
        "y": round(100 * found.accuracy, 2),
        "z": 1,
        "page": f"models/{row.key}.html",
        "lines": lines,
    }


def _range(found: Number) -> str:
    return percent_range(*found.interval) if found.interval else ""


def _check_points(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    label = f"{it['name']}, {it['protocol']}"
    low, high = round(it["low"], 1), round(it["high"], 1)
    lines = [["claimed", it["claimed"]], ["measured", f"{it['measured']} ({it['range']})"]]
    lines.append(["verdict", it["verdict"]])
    common = {"label": label, "name": label, "page": f"models/{it['key']}.html", "lines": lines}
    return [
        {**common, "kind": "claimed", "z": 1, "x": float(it["claimed"])},
        {
            **common,
            "kind": WHOSE["measured"],
            "z": 2,
            "x": float(it["measured"]),
            "x_low": low,
            "x_high": high,
        },
    ]
