"""The page of activations: each smooth model beside its ReLU twin, and all models by activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from leaderboard.boards import Board
from leaderboard.columns import CLEAN, family, order, title
from leaderboard.numbers import Measured
from leaderboard.origins import measured_by
from leaderboard.rows import BoardRow
from leaderboard.seeds import GainOverSeeds
from leaderboard.site.boardview import board_name
from leaderboard.site.chartparts import LINE
from leaderboard.site.markup import percent_or_dash, points, verdict
from leaderboard.site.seedsview import seeds_view
from leaderboard.site.strips import strips_of
from leaderboard.sources import contradictions
from leaderboard.twins import Gain

SLOPE_WIDTH, SLOPE_HEIGHT = 400, 230
"""Pixels of the chart of one pair."""


def activations_view(
    boards: Sequence[Board], gains: Sequence[Gain], over_seeds: Sequence[GainOverSeeds] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What templates/activations.html shows, and the data of its charts."""
    places = {board.key: board for board in boards}
    shown = [gain_view(gain, places[gain.board]) for gain in gains]
    strips = [strip for board in boards for strip in strips_of(board)]
    strips.sort(key=lambda it: (-len({p["activation"] for p in it["points"]}), it["label"]))
    pairs = [
        _pair(list(same), places[key[0]])
        for key, same in groupby(gains, lambda it: (it.board, it.model_key, it.twin_key))
    ]
    view = {
        "gains": shown,
        "gains_say": gains_say(gains),
        "pairs": pairs,
        "seeds": seeds_view(over_seeds, boards),
        "strips": [{"label": strip["label"], "table": strip["table"]} for strip in strips],
        "apart": [
            {"key": row.key, "name": row.model, "text": f"{what}: {why}"}
            for board in boards
            for row in board.rows
            for what, why in (contradictions(row) if row.activation else ())
        ],
    }
    data = {
        "data": {"gains": {"points": [_gain_point(it) for it in shown], "zero": [{"x": 0}]}},
        "pairs": [pair["points"] for pair in pairs],
        "strips": [strip["points"] for strip in strips],
    }
    return view, data


def gain_view(gain: Gain, board: Board) -> dict[str, Any]:
    """A gain in words: whose, under which attack, on which data."""
    data = f"{board_name(board)}, {board.subset}"
    return {
        "model": gain.model,
        "twin": gain.twin,
        "model_key": gain.model_key,
        "twin_key": gain.twin_key,
        "data": data,
        "activation": _row(board, gain.model_key).activation or "smooth",
        "protocol": title(gain.protocol) + _whose(gain),
        "n": f"{gain.n:,}",
        "only_model": gain.only_model,
        "only_twin": gain.only_twin,
        "difference": points(gain.difference),
        "interval": _interval(gain),
        "p": f"{gain.p_value:.2g}",
        "says": verdict(gain.difference, is_clear=gain.is_clear),
        "x": round(100 * gain.difference, 2),
        "x_low": round(100 * gain.low, 2),
        "x_high": round(100 * gain.high, 2),
    }


def gains_say(gains: Sequence[Gain]) -> str:
    """What all of them show, in a sentence."""
    ahead = sum(gain.is_clear and gain.difference > 0 for gain in gains)
    behind = sum(gain.is_clear and gain.difference < 0 for gain in gains)
    rest = len(gains) - ahead - behind
    said = [f"{ahead} of {len(gains)} differences show the smooth model ahead"]
    said += [f"{behind} the ReLU twin"] if behind else []
    said += [f"{rest} {'does' if rest == 1 else 'do'} not show a difference"] if rest else []
    return ", ".join(said)


def _whose(gain: Gain) -> str:
    return "" if gain.origin == "project" else f", {measured_by(gain.origin)}"


def _gain_point(it: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the chart of gains. Its label is of this gain alone, or two would overprint."""
    return {
        "label": f"{it['model']}, {it['protocol']} | {it['data']}",
        "name": f"{it['model']} against {it['twin']}",
        "page": f"models/{it['model_key']}.html",
        "lines": [
            ["data", it["data"]],
            ["attack", it["protocol"]],
            ["gain", f"{it['difference']} ({it['interval']})"],
            [it["says"], ""],
        ],
        "clear": it["says"] != "does not show a difference",
        "z": 1,
        "x": it["x"],
        "x_low": it["x_low"],
        "x_high": it["x_high"],
    }


def _pair(gains: Sequence[Gain], board: Board) -> dict[str, Any]:
    """One pair of twins as slopes, one for each attack, from the twin's accuracy to the model's."""
    model, twin = (_row(board, key) for key in (gains[0].model_key, gains[0].twin_key))
    name = model.activation or "smooth"
    # The reference package runs the same attack, and its slope would lie on that of ours.
    kept = [it for it in gains if not it.protocol.endswith(" reference")]
    slopes = [_slope(gain, _number(twin, gain), _number(model, gain), name) for gain in kept]
    ends = [value for it in slopes for point in it for value in (point["y_low"], point["y_high"])]
    unit = (max(ends) - min(ends)) * LINE / SLOPE_HEIGHT
    last = float("-inf")
    for slope in sorted(slopes, key=lambda it: float(it[1]["y"])):
        last = max(last + unit, slope[1]["y"])
        slope[1]["label_y"] = round(last, 2)
    strongest = min(kept, key=lambda it: (it.protocol == CLEAN, order(it.protocol)))
    return {
        "title": f"{name} on {board_name(board)}",
        "subset": board.subset,
        "model": {"key": model.key, "name": model.model},
        "twin": {"key": twin.key, "name": twin.model},
        "finding": _pair_says(strongest, name),
        "points": [point for slope in slopes for point in slope],
    }


def _pair_says(gain: Gain, name: str) -> str:
    attack = "without an attack" if gain.protocol == CLEAN else f"under {family(gain.protocol)}"
    by = f"{points(gain.difference)} points, {_interval(gain)}{_whose(gain)}"
    if not gain.is_clear:
        return f"{name} does not show a difference {attack} ({by})"
    return f"{name} {'gains' if gain.difference > 0 else 'loses'} {attack} ({by})"


def _slope(gain: Gain, twin: Measured, model: Measured, name: str) -> list[dict[str, Any]]:
    both = [
        ("ReLU", 0, gain.twin, gain.twin_key, twin),
        (name, 1, gain.model, gain.model_key, model),
    ]
    attack = title(gain.protocol)
    return [
        {
            "attack": attack,
            "label": f"{attack.split(' (')[0]} {points(gain.difference)}" if x else "",
            "side": side,
            "x": x,
            "y": round(100 * found.accuracy, 2),
            "y_low": round(100 * found.low, 2),
            "y_high": round(100 * found.high, 2),
            "clear": gain.is_clear,
            "z": 1,
            "name": whose,
            "page": f"models/{key}.html",
            "lines": [
                ["attack", attack],
                ["accuracy", percent_or_dash(found.accuracy)],
                ["difference", f"{points(gain.difference)} ({_interval(gain)})"],
            ],
        }
        for side, x, whose, key, found in both
    ]


def _interval(gain: Gain) -> str:
    return f"{points(gain.low)} to {points(gain.high)}"


def _row(board: Board, key: str) -> BoardRow:
    return next(row for row in board.rows if row.key == key)


def _number(row: BoardRow, gain: Gain) -> Measured:
    found = row.measured(gain.protocol)
    if found is None:
        raise KeyError(f"{row.key} has no {gain.protocol}")
    return found
