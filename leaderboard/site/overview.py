"""The pages across boards: index, claims beside measurements, activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.flag_codes import FLAGS, RANK
from eval.report.percent import percent
from leaderboard.boards import Board, Leaderboard
from leaderboard.columns import CLEAN, family, title
from leaderboard.rows import BoardRow, Claimed
from leaderboard.site import charts, libraries
from leaderboard.site.boardview import (
    WHOSE,
    board_name,
    columns_by_attack,
    n_measured,
)
from leaderboard.site.markup import asset, percent_or_dash, points, render
from leaderboard.site.modelview import check_view
from leaderboard.site.strips import strips_of
from leaderboard.texts import mark
from leaderboard.twins import Gain


def pages_across(
    found: Leaderboard, gains: Sequence[Gain], common: Mapping[str, Any]
) -> dict[str, str]:
    """The index and the pages of claims and activations; common: what every page shows."""
    index = {**common, **index_view(found, gains), "here": "index.html"}
    pages = {"index.html": render("index.html", index)}
    views = {
        "claims": (claims_view(found.boards), ("checks", "reported")),
        "activations": (activations_view(found.boards, gains), ("gains", "activations")),
    }
    for name, ((view, data), drawn) in views.items():
        scripts = (libraries.charts(), asset("charts.js") + asset(f"{name}.js"))
        values = {
            **common,
            **view,
            "data": {**data, "charts": charts.specs(*drawn)},
            "here": f"{name}.html",
        }
        pages[f"{name}.html"] = render(f"{name}.html", values, scripts=scripts)
    return pages


def index_view(found: Leaderboard, gains: Sequence[Gain]) -> dict[str, Any]:
    """What templates/index.html shows."""
    boards = sorted(found.boards, key=lambda board: -len(board.rows))
    ours = [board for board in boards if any(row.reports for row in board.rows)]
    rest = [board for board in boards if board not in ours]
    many = [board for board in rest if len(board.rows) >= 10]
    few = [board for board in rest if len(board.rows) < 10]
    reports = {id(report) for board in boards for row in board.rows for report in row.reports}
    strongest = [gain for gain in gains if gain.protocol != CLEAN][:3]
    return {
        "n_reports": len(reports),
        "sections": [
            (
                "Measured by us",
                "At least one number here comes from our own Reports.",
                _cards(ours),
            ),
            ("Published", "Numbers of others, each with its source.", _cards(many)),
            (
                "Published, short tables",
                "Few sources share this threat, attack and choice of images; they are kept apart"
                " because joining them would compare what does not compare.",
                _cards(few),
            ),
        ],
        "gains": [_gain(gain) for gain in strongest],
        "flags": [
            {"code": code, "means": FLAGS[code].means, **rank._asdict()}
            for code, rank in RANK.items()
        ],
        "refused": [{"name": it.path.name, "reason": it.reason} for it in found.refused],
    }


def _cards(boards: Sequence[Board]) -> list[dict[str, Any]]:
    return [
        {"key": board.key, "title": board_name(board), "subset": board.subset, **_counts(board)}
        for board in boards
    ]


def _counts(board: Board) -> dict[str, Any]:
    is_ours = any(row.reports for row in board.rows)
    counts = f"{len(board.rows)} model{'' if len(board.rows) == 1 else 's'}"
    counts += f", {n_measured(board)} measured by us" if is_ours else ""
    counts += f", {len(board.excluded)} listed apart" if board.excluded else ""
    best = _best(board)
    if best is None:
        return {"counts": counts, "best": None, "best_what": ""}
    value, what, source, estimated = best
    best_of = "best ranked" if board.ranked_by else "best"
    return {
        "counts": counts,
        "best": percent_or_dash(value),
        "best_what": f"{best_of} robust accuracy, {what}, {WHOSE[source]}{estimated}",
    }


def _best(board: Board) -> tuple[float, str, str, str] | None:
    """The highest ranked robust accuracy under the attack that ranks the board.

    With its attack, its source and its mark; an estimate only where no exact one is there.
    """
    shares = [
        (
            found.believed if isinstance(found, Claimed) else found.accuracy,
            family(it.key),
            it.source,
            mark(found),
        )
        for it in columns_by_attack(board.rows)
        if it.key != CLEAN and board.ranked_by in {None, family(it.key)}
        for row in board.rows
        if (row.rank_group is not None or board.ranked_by is None)
        and (found := row.numbers.get(it)) is not None
    ]
    return max(shares, key=lambda share: (not share[3], share), default=None)


def claims_view(boards: Sequence[Board]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What templates/claims.html shows, and the data of its two charts."""
    checks = [
        check_view(check) | {"key": row.key, "name": row.model, "board": board_name(board)}
        for board in boards
        for row in board.rows
        for check in row.checks
    ]
    reported = sorted(
        (line for board in boards for row in board.rows if (line := _reported(row, board))),
        key=lambda line: line["gap"],
    )
    ends = [20, 80]
    if reported:
        every = [line[axis] for line in reported for axis in ("x", "y")]
        ends = [min(every), max(every)]
    data = {
        "checks": {"points": [point for it in checks for point in _check_points(it)]},
        "reported": {"points": reported, "zero": [{"x": end, "y": end} for end in ends]},
    }
    return {"checks": checks, "reported": reported}, {"data": data}


def _reported(row: BoardRow, board: Board) -> dict[str, Any] | None:
    """A paper's own number beside a third party's AutoAttack, for one model."""
    paper, found = row.published, row.third_party.get("autoattack")
    if paper is None or paper.reported is None or found is None or row.excluded:
        return None
    said, gap = paper.reported, found.believed - paper.reported
    shown = {
        "key": row.key,
        "name": row.model,
        "board": board_name(board),
        "reported": percent_or_dash(said),
        "found": percent(found.believed),
        "difference": points(gap),
    }
    labels = (("board", "board"), ("reported", "reported"), ("third party", "found"))
    lines = [[label, shown[key]] for label, key in (*labels, ("difference", "difference"))]
    return shown | {
        "gap": gap,
        "x": round(100 * said, 2),
        "y": round(100 * found.believed, 2),
        "z": 1,
        "page": f"models/{row.key}.html",
        "lines": lines,
        "described": f"{row.model}, " + ", ".join(f"{a} {b}" for a, b in lines),
    }


def _check_points(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    label = f"{it['name']}, {it['protocol']}"
    low, high = round(it["low"], 1), round(it["high"], 1)
    lines = [["claimed", it["claimed"]], ["measured", f"{it['measured']} ({it['range']})"]]
    lines.append(["verdict", it["verdict"]])
    common = {"label": label, "name": label, "page": f"models/{it['key']}.html", "lines": lines}
    return [
        {**common, "kind": "claimed", "z": 1, "x": float(it["claimed"]), "described": label},
        {
            **common,
            "kind": WHOSE["measured"],
            "z": 2,
            "x": float(it["measured"]),
            "x_low": low,
            "x_high": high,
            "described": f"{label}, {', '.join(' '.join(line) for line in lines)}",
        },
    ]


def activations_view(
    boards: Sequence[Board], gains: Sequence[Gain]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What templates/activations.html shows, and the data of its charts."""
    shown = [_gain(gain) for gain in gains]
    strips = [strip for board in boards for strip in strips_of(board)]
    strips.sort(
        key=lambda strip: (-len({p["activation"] for p in strip["points"]}), strip["label"])
    )
    gain_points = [
        {
            "label": f"{it['model']}, {it['protocol']}",
            "name": f"{it['model']} against {it['twin']}",
            "page": f"models/{it['model_key']}.html",
            "lines": [["attack", it["protocol"]], ["gain", f"{it['difference']} {it['interval']}"]],
            "described": f"{it['model']}, {it['protocol']}, gain {it['difference']} points",
            "z": 1,
            "x": it["x"],
            "x_low": it["x_low"],
            "x_high": it["x_high"],
        }
        for it in shown
    ]
    view = {
        "gains": shown,
        "strips": [{"label": strip["label"], "table": strip["table"]} for strip in strips],
    }
    data = {
        "data": {"gains": {"points": gain_points, "zero": [{"x": 0}]}},
        "strips": [strip["points"] for strip in strips],
    }
    return view, data


def _gain(gain: Gain) -> dict[str, Any]:
    interval = f"{points(gain.low)} to {points(gain.high)}"
    return {
        "model": gain.model,
        "twin": gain.twin,
        "model_key": gain.model_key,
        "twin_key": gain.twin_key,
        "protocol": title(gain.protocol),
        "n": f"{gain.n:,}",
        "only_model": gain.only_model,
        "only_twin": gain.only_twin,
        "difference": points(gain.difference),
        "interval": interval,
        "p": f"{gain.p_value:.2g}",
        "x": round(100 * gain.difference, 2),
        "x_low": round(100 * gain.low, 2),
        "x_high": round(100 * gain.high, 2),
    }
