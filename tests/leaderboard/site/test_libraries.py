"""What the installed packages give the pages."""

from __future__ import annotations

import json

import pytest

from eval.errors import SatZooError
from leaderboard.site import charts, libraries

pytest.importorskip("itables")


def test_both_libraries_fit_a_page_and_leave_the_module_form() -> None:
    texts = {"charts": libraries.charts(), "tables": libraries.tables()}
    assert sum(len(text.encode()) for text in texts.values()) < 1_600_000
    assert "window.vegaEmbed" in texts["charts"]
    assert "window.DataTable=" in texts["tables"]
    assert "export{" not in texts["tables"]


def test_an_unknown_build_of_the_tables_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries.re, "findall", lambda *_: [])
    with pytest.raises(SatZooError, match=r"not built as in version 2\.9"):
        libraries.tables.__wrapped__()


def test_licences_of_all_three_packages_are_written() -> None:
    text = libraries.licences()
    for word in ("altair", "vl-convert-python", "itables", "BSD 3-Clause", "MIT", "Copyright"):
        assert word in text


def test_charts_take_their_colours_from_the_page() -> None:
    spec = charts.specs("scatter")["scatter"]
    text = json.dumps(spec)
    assert "var(--accent)" in text
    assert "#4c78a8" not in text.lower(), "Vega's own blue"
    assert {"points", "front"} <= {data["name"] for data in spec["data"]}
