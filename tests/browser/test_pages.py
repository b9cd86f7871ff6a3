"""The site of the committed results: pages, colours, widths, keyboard, print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.boards import RESULTS
from tests.browser.conftest import Open
from tests.browser.waiting import drawn, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DIGITS = "boards/digits-linf-3-16-full.html"


def test_pages_open_from_a_server_as_from_disk(real: Path, chromium: Browser) -> None:
    """Under https, which other rules of the policy hold for than under file."""
    page, said = chromium.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    base = "https://pages.test/project/"
    page.route("**/*", lambda it: it.fulfill(path=real / it.request.url.removeprefix(base)))
    page.goto(base + DIGITS)
    drawn(page, "scatter")
    assert page.locator("#controls").is_visible()
    page.close()
    assert said == []


def test_dark_follows_the_system_and_the_button(real: Path, open_page: Open) -> None:
    page = open_page(real / DIGITS, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    point = "getComputedStyle(document.querySelector('.mark-symbol path')).stroke"
    drawn(page, "scatter")
    dark, dark_point = page.evaluate(paper), page.evaluate(point)
    page.get_by_role("button", name="Light").click()
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "false")
    light, light_point = page.evaluate(paper), page.evaluate(point)
    assert dark != light
    assert dark_point != light_point, "charts change too"
    page.get_by_role("link", name="Claims").click()
    # A click ends when the next page is on its way, which may be before its styles are there.
    page.wait_for_url("**/claims.html", wait_until="load")
    assert page.evaluate(paper) == light, "the choice holds on the next page"
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "false")


def test_a_model_is_one_click_from_its_board(real: Path, open_page: Open) -> None:
    page = open_page(real / "index.html")
    page.get_by_role("link", name="Digits, Linf 3/16", exact=True).click()
    page.locator("#board").get_by_role("link", name="resnet8-silu-sat-digits", exact=True).click()
    page.wait_for_url("**/models/*.html")
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
    skip = page.locator(":focus")
    expect(skip).to_have_text("Skip to the content")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")


def test_paper_gets_the_table_and_no_buttons(real: Path, open_page: Open) -> None:
    page = open_page(real / DIGITS, wait=".scroll.board.ready")
    page.emulate_media(media="print")
    expect(page.locator("#controls")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()
    assert page.locator("#board").is_visible()
