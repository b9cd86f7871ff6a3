"""What the pages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.site import charts, libraries, shared


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(shared, "ASSETS", tmp_path)
    monkeypatch.setattr(libraries, "charts", lambda: "vega")
    monkeypatch.setattr(charts, "specs", lambda: {"scatter": {"marks": []}})
    (tmp_path / "board.css").write_text("b {}\n")
    (tmp_path / "style.css").write_text("a {}\n")
    (tmp_path / "zoom.css").write_text("c {}\n")
    (tmp_path / "charts.js").write_text("draw(SPECS);")
    (tmp_path / "new.js").write_text("const page = 1;")
    return shared.shared()


def test_one_style_sheet_holds_all_and_begins_with_the_colours(files: dict[str, str]) -> None:
    assert files["assets/style.css"] == "a {}\nb {}\nc {}\n"


def test_every_script_is_a_file_that_keeps_its_names_to_itself(files: dict[str, str]) -> None:
    scripts = {name for name in files if name.endswith(".js")}
    assert scripts == {f"assets/{name}.js" for name in ("charts", "new", "vega")}
    for name in scripts:
        assert files[name].startswith('(() => {\n"use strict";\n'), name
        assert files[name].endswith("\n})();\n"), name


def test_charts_carry_their_specifications(files: dict[str, str]) -> None:
    assert 'const SPECS = {"scatter": {"marks": []}};\ndraw(SPECS);' in files["assets/charts.js"]
