"""A board's views: attacks, filters, the address, the row that opens, and narrow screens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from leaderboard.boards import Board, boards
from leaderboard.citing import copies
from tests.browser.boards import column, every_view, names, numbers, shown
from tests.browser.conftest import Open
from tests.browser.waiting import at, expect, on_clipboard, resized

if TYPE_CHECKING:
    from playwright.sync_api import Page

DASH, DOWN = "–", "descending"
CIFAR = "cifar10-linf-8-255-full"
IMAGENET = "imagenet-linf-4-255-full"
SUPERSEDED = "Amini2024MeanSparse_S-WRN-94-16"
"""AutoAttack 75.28, best known 73.10."""
COLOURS = """it => {
  const behind = (it) => {
    const colour = getComputedStyle(it).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? behind(it.parentElement) : colour;
  };
  return [getComputedStyle(it).color, behind(it)];
}"""


@pytest.fixture(scope="module")
def cifar() -> Board:
    return next(it for it in boards() if it.key == CIFAR)


@pytest.fixture
def page(real: Path, open_page: Open) -> Page:
    return open_page(real / "boards" / f"{CIFAR}.html", wait=".scroll.board.ready")


def choose(page: Page, attack: str) -> None:
    """The attack, and wait until the table is sorted by it."""
    radio = page.get_by_role("radio", name=attack)
    radio.check()
    expect(page.locator("#board th[aria-sort]")).to_have_attribute(
        "data-key", str(radio.get_attribute("value"))
    )


def test_the_first_view_is_by_best_known_which_has_a_column_of_its_own(
    page: Page, cifar: Board
) -> None:
    best = numbers(page, "best")
    assert best == sorted(best, reverse=True)
    assert names(page) == [row.model for row in cifar.rows]
    place = names(page).index(SUPERSEDED)
    assert best[place] == 73.1
    assert numbers(page, "autoattack.third-party")[place] == 75.3
    cell = page.locator(f"#board tr:has-text('{SUPERSEDED}') td.best").inner_text()
    assert "72.2 to 74.0" in cell, "the interval of the best known number"


def test_sorting_by_an_attack_takes_its_own_numbers(page: Page) -> None:
    choose(page, "AutoAttack")
    own = numbers(page, "autoattack.third-party")
    assert own == sorted(own, reverse=True)
    assert names(page)[0] == SUPERSEDED
    choose(page, "Attack not stated")
    own = numbers(page, "not-stated.claimed")
    assert own == sorted(own, reverse=True)


def test_choosing_an_attack_sorts_by_it_and_leaves_out_who_has_no_number(
    real: Path, open_page: Open
) -> None:
    page = open_page(real / "boards" / f"{IMAGENET}.html")
    choose(page, "PGD-200")
    own = numbers(page, "pgd-200.claimed")
    assert (names(page)[0], own[0]) == ("efficientnet-l1-enhanced-sat", 58.6)
    assert own == sorted(own, reverse=True)
    assert page.locator("#shown").inner_text() == f"{len(own)} of 17 models"
    page.locator("#elsewhere").get_by_role("button", name="PGD-50").click()
    expect(page.get_by_role("radio", name="PGD-50")).to_be_checked()
    expect(page.locator("#board th[aria-sort]")).to_have_attribute("data-key", "pgd-50")
    assert DASH not in column(page, "pgd-50.claimed")


def test_the_first_click_shows_the_best_first(page: Page) -> None:
    for key, small_first in (("autoattack", False), ("clean.third-party", False), ("best", False)):
        page.locator(f"#board th[data-key='{key}'] button").click()
        expect(page.locator(f"#board th[data-key='{key}']")).to_have_attribute("aria-sort", DOWN)
        values = numbers(page, f"{key}.third-party" if key == "autoattack" else key)
        assert values == sorted(values, reverse=not small_first)
    page.locator("#board th[data-key=best] button").click()
    expect(page.locator("#board th[data-key=best]")).to_have_attribute("aria-sort", "ascending")
    values = numbers(page, "best")
    assert values == sorted(values), "the second click turns it round"


def test_no_filter_leaves_rows_or_columns_of_dashes(real: Path, open_page: Open) -> None:
    for board in (CIFAR, IMAGENET, "digits-linf-3-16-full"):
        page = open_page(real / "boards" / f"{board}.html")
        for state, rows in every_view(page).items():
            for cells in zip(*rows, strict=True):
                assert any(cell != DASH for cell in cells), (board, state)
            for row in rows:
                assert any(cell[:1].isdigit() for cell in row[2:]), (board, state)


def test_the_address_restores_the_view_and_so_do_back_and_forward(page: Page) -> None:
    sorting, opened = page.locator("#board th[aria-sort]"), page.locator("#board .more")
    choose(page, "AutoAttack")
    page.locator("[data-filter=activation]").select_option("SiLU")
    page.locator("#board th[data-key='clean'] button").click()
    expect(sorting).to_have_attribute("data-key", "clean")
    page.get_by_role("button", name="Details of Wang2023Better_WRN-28-10").click()
    expect(opened).to_have_count(1)
    page.locator("#search").fill("wang")
    expect(page.locator("#shown")).to_have_text(re.compile(r"^\d of "))
    seen = shown(page)
    assert 0 < len(seen) < 10
    page.reload()
    assert shown(page) == seen
    assert page.get_by_role("radio", name="AutoAttack").is_checked()
    assert page.locator("#search").input_value() == "wang"
    assert sorting.get_attribute("data-key") == "clean"
    assert opened.count() == 1
    page.go_back()
    expect(opened, "the row was opened last").to_have_count(0)
    page.go_back()
    expect(sorting).to_have_attribute("data-key", "autoattack")
    page.go_forward()
    expect(sorting).to_have_attribute("data-key", "clean")


def test_an_address_of_another_board_shows_what_is_here(page: Page) -> None:
    at(page, "#attack=pgd-7&activation=no&sort=constructor&order=up&row=gone&by=%00")
    assert page.get_by_role("radio", name="Best known").is_checked()
    assert len(names(page)) == 92


def test_a_row_has_an_address_that_opens_it(page: Page) -> None:
    at(page, "#row-wang2023better-wrn-28-10")
    line = page.locator("#row-wang2023better-wrn-28-10")
    assert "open" in str(line.get_attribute("class"))
    expect(line).to_be_in_viewport()
    details = page.locator("#board .more")
    assert "Better Diffusion Models Further Improve Adversarial Training" in details.inner_text()
    assert "ICML 2023" in details.inner_text()
    assert details.get_by_role("link", name="Better Diffusion").get_attribute("href") == (
        "https://arxiv.org/abs/2302.04638"
    )
    page.locator("#row-peng2023robust .here").click()
    page.wait_for_url("**#row-peng2023robust")


def test_a_link_to_a_row_shows_the_attack_of_its_numbers(real: Path, open_page: Open) -> None:
    page = open_page(real / "boards" / f"{IMAGENET}.html")
    at(page, "#row-efficientnet-l1-enhanced-sat")
    assert page.get_by_role("radio", name="PGD-200").is_checked()
    assert page.locator("#board .more").is_visible()


def test_a_row_is_copied_in_every_form(page: Page, cifar: Board) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for row in (cifar.rows[0], cifar.rows[40]):
        at(page, f"#row-{row.model_key}")
        wanted = {it.key: it.text for it in copies(cifar, row)}
        assert {"bibtex", "latex", "markdown", "csv"} <= set(wanted)
        wanted["link"] = page.url
        for kind, text in wanted.items():
            page.locator(f"#board .copies [data-kind={kind}]").click()
            assert on_clipboard(page, text) == text
            assert page.get_by_text("Copied.").is_visible()


def test_without_a_clipboard_the_text_stands_there_to_be_selected(page: Page) -> None:
    at(page, "#row-peng2023robust")
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator("#board .copies [data-kind=bibtex]").click()
    page.get_by_text("Select the text below").wait_for()
    assert "Robust Principles" in page.locator("#board .more pre").inner_text()
    assert "Robust Principles" in page.evaluate("() => getSelection().toString()")


def test_the_board_is_used_with_keys_alone(page: Page) -> None:
    page.get_by_role("radio", name="Best known").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="AutoAttack")).to_be_checked()
    toggle = page.get_by_role("button", name="Details of Peng2023Robust")
    toggle.focus()
    page.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    toggle.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#board .more")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (720, 450), (768, 1024), (1440, 900)])
def test_model_and_robust_stay_on_screen(page: Page, width: int, height: int) -> None:
    """720 by 450 is what a window of 1440 by 900 has left at 200 % zoom."""
    resized(page, width, height)
    edge = "() => document.documentElement.scrollWidth"
    assert page.evaluate(edge) <= width, "the page itself does not scroll sideways"
    box = page.locator("#board tbody tr").first
    for scrolled in (0, 10_000):
        page.locator(".scroll.board").evaluate("(it, x) => it.scrollLeft = x", scrolled)
        for part in (".name > a:not(.here)", ".best"):
            found = box.locator(part).bounding_box()
            assert found is not None
            assert found["x"] >= 0
            assert found["x"] + found["width"] <= width
    page.locator(".scroll.board").evaluate("it => it.scrollLeft = 0")
    rank = box.locator(".rank").bounding_box()
    assert rank is not None
    assert 0 <= rank["x"] < width
    assert DASH not in set(column(page, "autoattack.third-party"))


@pytest.mark.parametrize("width", [390, 768])
def test_no_name_breaks_in_mid_word(page: Page, width: int) -> None:
    resized(page, width, 800)
    broken = page.locator("#board tbody .name > a:not(.here)").evaluate_all(
        """links => links.flatMap((link) => [...link.childNodes].filter((node) => {
             const range = document.createRange();
             range.selectNodeContents(node);
             return node.nodeType === 3 && range.getClientRects().length > 1;
           }).map((node) => node.data))"""
    )
    assert [text for text in broken if "-" not in text.strip("-")] == []


def test_on_paper_the_table_is_whole(page: Page) -> None:
    page.emulate_media(media="print")
    expect(page.locator("#board .toggle:visible")).to_have_count(0)
    assert page.locator("#board tbody tr:visible").count() == 92
    assert page.locator(".scroll.board").evaluate("it => it.scrollHeight <= it.clientHeight + 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    at(page, "#row-peng2023robust")
    for place in (
        ".best",
        ".best small",
        ".paper a",
        ".rank",
        ".toggle",
        ".more dt",
        ".more button",
    ):
        ink, paper = page.locator(f"#board tbody {place}").first.evaluate(COLOURS)
        low, high = sorted(map(luminance, (ink, paper)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (place, ink, paper)


def luminance(colour: str) -> float:
    """Of "rgb(r, g, b)": WCAG 2.2, relative luminance."""
    parts = [int(it) / 255 for it in re.findall(r"\d+", colour)[:3]]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return sum(weight * it for weight, it in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_board_weighs_little_and_has_its_own_files(real: Path, page: Page) -> None:
    sizes = {path.name: path.stat().st_size for path in (real / "boards").glob("*.html")}
    assert max(sizes.values()) < 200_000, sizes
    for name in ("CSV", "JSON"):
        link = page.locator(".files").get_by_role("link", name=name).get_attribute("href")
        text = (real / "boards" / str(link)).read_text()
        assert SUPERSEDED in text
        assert "efficientnet-l1" not in text


def test_without_scripts_rows_have_anchors_and_papers(real: Path, open_page: Open) -> None:
    page = open_page(real / "boards" / f"{CIFAR}.html", java_script_enabled=False)
    line = page.locator("#row-peng2023robust")
    assert "Robust Principles" in line.inner_text()
    assert line.get_by_role("link", name="Robust Principles").is_visible()
