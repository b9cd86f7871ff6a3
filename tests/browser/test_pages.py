"""The site of the committed results: pages, colours, widths, keyboard, print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboard.boards import RESULTS
from tests.browser.conftest import Open

DIGITS = "boards/digits-linf-3-16-full.html"
MODEL = "models/digits-linf-3-16-full-resnet8-silu-sat-digits.html"
PAGES = ("index.html", "claims.html", "activations.html", DIGITS, MODEL)


@pytest.mark.parametrize("width", [320, 390])
def test_no_page_is_wider_than_a_phone(real: Path, open_page: Open, width: int) -> None:
    for name in PAGES:
        page = open_page(real / name, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.locator("h1").is_visible()


def test_dark_follows_the_system_and_the_button(real: Path, open_page: Open) -> None:
    page = open_page(real / DIGITS, wait="figure[data-ready=true]", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    point = "getComputedStyle(document.querySelector('.mark-symbol path')).stroke"
    dark, dark_point = page.evaluate(paper), page.evaluate(point)
    page.get_by_role("button", name="Light").click()
    light, light_point = page.evaluate(paper), page.evaluate(point)
    assert dark != light
    assert dark_point != light_point, "charts change too"
    page.get_by_role("link", name="Claims").click()
    assert page.evaluate(paper) == light, "the choice holds on the next page"
    assert page.locator("#theme").get_attribute("aria-pressed") == "false"


def test_a_model_is_one_click_from_its_board(real: Path, open_page: Open) -> None:
    page = open_page(real / "index.html")
    page.get_by_role("link", name="Digits, Linf 3/16").click()
    page.locator("#board").get_by_role("link", name="resnet8-silu-sat-digits").click()
    report = json.loads((RESULTS / "resnet8-silu-sat-digits.autoattack.json").read_text())
    assert page.locator("h1").inner_text() == report["model"]["name"]
    section = page.locator("section", has=page.get_by_role("heading", name="AutoAttack")).first
    for stage, line in zip(report["stages"], section.locator("tbody tr").all()[1:], strict=True):
        cells = line.locator("th, td").all_inner_texts()
        after = f"{100 * stage['accuracy_after']:.1f}"
        assert [cells[0], cells[2], cells[4]] == [stage["name"], str(stage["broken"]), after]
        bar = line.locator("svg").get_attribute("aria-label")
        assert bar == f"{after} per cent still right after {stage['name']}"
    assert section.locator("pre").inner_text() == report["command"]
    assert page.get_by_text("Square broke 2 images").first.is_visible()


def test_twins_and_claims_are_drawn(real: Path, open_page: Open) -> None:
    page = open_page(real / "activations.html", wait="figure[data-chart=gains][data-ready=true]")
    assert page.locator("figure[data-chart=gains] .mark-symbol path").count() >= 3
    page = open_page(real / "claims.html", wait="figure[data-chart=reported][data-ready=true]")
    n_rows = page.locator("table").last.locator("tbody tr").count()
    assert page.locator("figure[data-chart=reported] .mark-symbol path").count() == n_rows > 50


def test_the_keyboard_reaches_the_content_first(real: Path, open_page: Open) -> None:
    page = open_page(real / DIGITS)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_every_page_has_landmarks_and_every_table_a_caption(real: Path, open_page: Open) -> None:
    for name in PAGES:
        page = open_page(real / name)
        for landmark in ("banner", "main", "contentinfo"):
            assert page.get_by_role(landmark).count() == 1, (name, landmark)
        assert page.locator("table:not(:has(caption))").count() == 0
        assert page.locator("th:not([scope])").count() == 0
        assert page.locator("img:not([alt])").count() == 0
        assert page.locator("h1").count() == 1


def test_paper_gets_the_table_and_no_buttons(real: Path, open_page: Open) -> None:
    page = open_page(real / DIGITS, wait="figure[data-ready=true]")
    page.emulate_media(media="print")
    assert page.locator("#controls").is_hidden()
    assert page.locator("#theme").is_hidden()
    assert page.locator("#board").is_visible()
