"""What the installed packages give the pages."""

from __future__ import annotations

import json

from leaderboard.site import charts, libraries


def test_the_library_leaves_the_module_form() -> None:
    text = libraries.charts()
    assert len(text.encode()) < 1_000_000
    assert "window.vegaEmbed" in text


def test_licences_of_both_packages_are_written() -> None:
    text = libraries.licences()
    for word in ("altair", "vl-convert-python", "BSD 3-Clause", "Copyright"):
        assert word in text


def test_charts_take_their_colours_from_the_page() -> None:
    spec = charts.specs()["scatter"]
    text = json.dumps(spec)
    assert "var(--accent)" in text
    assert "#4c78a8" not in text.lower(), "Vega's own blue"
    assert "points" in {data["name"] for data in spec["data"]}
