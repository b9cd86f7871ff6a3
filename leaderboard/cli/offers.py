"""What a shell offers when TAB is pressed: stored results, and data sets that have a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from zoo.cli.shared.completing import offering

BASELINES = Path(__file__).parents[1] / "baselines"


def _results() -> Iterable[str]:
    from leaderboard.folders import by_name

    return by_name()


def _tables() -> Iterable[str]:
    """Read as plain JSON: to make the tables takes longer than a key press may."""
    from leaderboard.folders import by_name
    from zoo.registry import card, list_models

    found = {card(name).dataset for name in list_models()}
    for path in BASELINES.glob("*.json"):
        found |= {entry["dataset"] for entry in json.loads(path.read_bytes())["rows"]}
    for paths in by_name().values():
        found |= {json.loads(path.read_bytes())["data"]["name"] for path in paths}
    return found


complete_results = offering(_results, or_file=True)
complete_tables = offering(_tables)
