"""Charts: pictures until a script draws, names, keys, touch, and titles that follow the filters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Open
from tests.browser.waiting import drawn, expect, still

if TYPE_CHECKING:
    from playwright.sync_api import Page

BOARD = "boards/cifar10-linf-8-255-full.html"
SCATTER = "figure[data-chart=scatter]"
REPORTED = "figure[data-chart=reported]"


@pytest.mark.parametrize("name", ["claims.html", "activations.html", BOARD])
def test_without_scripts_every_chart_is_a_picture(real: Path, open_page: Open, name: str) -> None:
    page = open_page(real / name, java_script_enabled=False)
    figures = page.locator("figure[data-chart]").all()
    assert figures
    for figure in figures:
        picture = figure.locator("img")
        if figure.locator(".no-chart").is_visible():
            assert picture.count() == 0, "it says that there is nothing to show"
            continue
        picture.scroll_into_view_if_needed()
        assert picture.bounding_box()["height"] > 100
        assert len(picture.get_attribute("alt")) > 20
        source = (real / name).parent / picture.get_attribute("src")
        assert source.read_text().startswith("<svg")


BOXES = """figure => [...figure.querySelectorAll('.mark-text text')]
  .filter(it => it.textContent && it.getAttribute('opacity') !== '0')
  .map(it => [it.textContent, ...(({left, top, right, bottom}) => [left, top, right, bottom])(
    it.getBoundingClientRect())])"""


@pytest.mark.parametrize("width", [390, 1440])
def test_no_two_names_of_a_chart_overprint(real: Path, open_page: Open, width: int) -> None:
    viewport = {"width": width, "height": 900}
    for name, charts in ((BOARD, ("scatter", "progress")), ("claims.html", ("reported",))):
        page = open_page(real / name, viewport=viewport)
        for chart in charts:
            figure = drawn(page, chart)
            names = figure.evaluate(BOXES)
            edge = figure.locator(".chart").bounding_box()["x"]
            assert len(names) >= 10, chart
            for i, (one, left, top, right, _) in enumerate(names):
                assert left >= edge - 1, f"{one} is cut off"
                for other, left_2, top_2, right_2, _ in names[i + 1 :]:
                    beside = right <= left_2 or right_2 <= left
                    assert beside or abs(top - top_2) > 10, (one, other)  # letters' height


def test_the_title_says_what_the_rows_shown_show(real: Path, open_page: Open) -> None:
    page = open_page(real / BOARD)
    drawn(page, "scatter")
    title = page.locator(f"{SCATTER} [data-title]")
    said = title.inner_text()
    assert re.fullmatch(r"No model is best in both: \d+ of \d+ are beaten by none", said)
    picture = re.search(r'<img src="../charts/[^"]*scatter.svg"[^>]*alt="([^"]*)"', text(real))
    assert picture is not None
    assert said in picture[1], "the picture and the script say the same"
    page.locator("#search").fill("Carmon2019")
    expect(title).to_have_text(re.compile("^Carmon2019Unlabeled is best in both"))
    expect(page.locator(f"{SCATTER} .mark-symbol path")).to_have_count(1)


def text(real: Path) -> str:
    return (real / BOARD).read_text()


def focused_after(page: Page, key: str) -> str:
    """The words of the point that a key led to from another."""
    here = page.locator(f"{REPORTED} path:focus")
    before = str(here.get_attribute("aria-label"))
    page.keyboard.press(key)
    expect(here).not_to_have_attribute("aria-label", before)
    return str(here.get_attribute("aria-label"))


def test_the_arrows_lead_from_point_to_point(real: Path, open_page: Open) -> None:
    page = open_page(real / "claims.html")
    figure = drawn(page, "reported")
    points = figure.locator(".mark-symbol path")
    assert points.count() > 50
    reachable = figure.locator("path[tabindex='0']")
    assert reachable.count() == 1
    first = str(reachable.get_attribute("aria-label"))
    reachable.focus()
    second = focused_after(page, "ArrowRight")
    assert second != first
    tip = page.get_by_role("tooltip")
    expect(tip.locator("strong")).to_have_text(second.split(",")[0])
    assert "AutoAttack" in tip.inner_text()
    assert focused_after(page, "ArrowLeft") == first
    last = focused_after(page, "End")
    assert last not in {first, second}
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/*.html")
    expect(page.locator("h1")).to_have_text(last.split(",")[0])


def test_a_touch_near_a_point_says_what_it_is_and_another_follows_it(
    real: Path, open_page: Open
) -> None:
    viewport = {"width": 390, "height": 800}
    page = open_page(real / "claims.html", has_touch=True, viewport=viewport)
    figure = drawn(page, "reported")
    far = figure.locator("path[aria-label^='ZhangXu2020Adversarial']")
    far.scroll_into_view_if_needed()
    still(page)  # that the page was scrolled, which would hide what a touch shows, is told later
    box = far.bounding_box()
    x, y = box["x"] + box["width"] / 2 + 12, box["y"] + box["height"] / 2
    page.touchscreen.tap(x, y)
    tip = page.get_by_role("tooltip")
    tip.wait_for()
    assert "ZhangXu2020Adversarial" in tip.inner_text()
    assert re.search(r"reported\s*68\.7", tip.inner_text())
    page.touchscreen.tap(x, y)
    page.wait_for_url("**/models/*.html")


def test_the_committed_pages_are_light_with_all_that_they_share(real: Path) -> None:
    files = {path: path.stat().st_size for path in real.rglob("*") if path.is_file()}
    shared = {path.name: size for path, size in files.items() if path.parent.name == "assets"}
    assert shared["vega.js"] < 1_000_000
    assert sum(shared.values()) < 1_700_000
    for path, size in files.items():
        assert path.parent.name != "boards" or size < 200_000, path
        assert path.parent.name != "models" or size < 40_000, path
        assert path.parent.name != "charts" or size < 50_000, path
