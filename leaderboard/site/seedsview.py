"""Gains over several training runs, for the page of activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard.boards import Board
from leaderboard.columns import title
from leaderboard.seeds import GainOverSeeds, Runs
from leaderboard.site.boardview import board_name
from leaderboard.site.markup import percent_or_dash, points, verdict


def seeds_view(gains: Sequence[GainOverSeeds], boards: Sequence[Board]) -> list[dict[str, Any]]:
    """A line for each gain: whose runs, under which attack, on which data."""
    places = {board.key: board for board in boards}
    return [
        {
            "model": _runs(gain.model),
            "twin": _runs(gain.twin),
            "data": f"{board_name(places[gain.board])}, {places[gain.board].subset}",
            "protocol": title(gain.protocol),
            "n": f"{gain.n:,}",
            "difference": points(gain.difference),
            "interval": f"{points(gain.low)} to {points(gain.high)}",
            "of_seeds_alone": f"±{percent_or_dash(gain.of_seeds_alone)}",
            "says": verdict(gain.difference, is_clear=gain.is_clear),
        }
        for gain in gains
    ]


def _runs(runs: Runs) -> dict[str, Any]:
    return {
        "name": runs.model,
        "key": runs.model_key,
        "each": ", ".join(map(percent_or_dash, runs.accuracies)),
        "mean": percent_or_dash(runs.mean),
        "spread": f"{100 * runs.spread:.1f}",
    }
