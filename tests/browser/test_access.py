"""Pages for everybody: axe-core finds nothing, in light and dark, wide and narrow; zoom; keys."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaderboard.boards import Leaderboard
from leaderboard.site.builder import site
from tests.browser.conftest import Open, missing, write
from tests.browser.fakes import board, row
from tests.browser.waiting import drawn, expect, resized

if TYPE_CHECKING:
    from playwright.sync_api import Page

DIGITS = "digits-linf-3-16-full"
CIFAR = "cifar10-linf-8-255-full"
PUBLISHED = f"{CIFAR}-amini2024meansparse-s-wrn-94-16"
KINDS = {
    "index": "index.html",
    "board": f"boards/{DIGITS}.html",
    "board with an open row": f"boards/{CIFAR}.html",
    "measured model": f"models/{DIGITS}-resnet8-silu-sat-digits.html",
    "published model": f"models/{PUBLISHED}.html",
    "claims": "claims.html",
    "activations": "activations.html",
    "submit": "submit.html",
    "faq": "faq.html",
}
CONTRAST = {"runOnly": ["color-contrast"]}
ALL_BUT_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
NARROW_AND_DARK = {"runOnly": ["scrollable-region-focusable", "target-size"]}
ONE_OF_A_KIND = """() => {
  const own = /\\s(href|id|title|aria-label|aria-labelledby|data-[\\w-]+)="[^"]*"/g;
  for (const body of document.querySelectorAll("tbody")) {
    const kinds = new Set();
    for (const row of [...body.rows]) {
      const kind = row.outerHTML.replace(/>[^<]+</g, ">text<").replace(own, " $1");
      if (kinds.has(kind)) row.remove();
      kinds.add(kind);
    }
  }
}"""
OPEN_ALL = """() => {
  for (const it of document.querySelectorAll("details")) it.open = true;
  document.querySelector(".toggle")?.click();
}"""
DRAWABLE = "figure[data-chart]:has(> .chart:not([hidden]))"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="session")
def axe() -> str:
    try:
        from axe_playwright_python.base import AXE_FILE_PATH
    except ImportError:
        missing("the package axe-playwright-python is missing")
    return Path(AXE_FILE_PATH).read_text("utf-8")


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe finds, whatever it weighs, with the first place of each."""
    # Its own look at style sheets is a request, which a page from disk may not make.
    asked = {**options, "resultTypes": ["violations"], "preload": False}
    found = page.evaluate("options => axe.run(document, options)", asked)["violations"]
    return [f"{it['id']} ({it['impact']}): {it['nodes'][0]['html'][:200]}" for it in found]


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_and_no_width_scrolls_sideways(
    real: Path, open_page: Open, axe: str, kind: str
) -> None:
    # The pages' own policy would not let axe in.
    page = open_page(real / KINDS[kind], bypass_csp=True)
    page.evaluate(OPEN_ALL)
    for chart in page.locator(DRAWABLE).evaluate_all("all => all.map((it) => it.dataset.chart)"):
        drawn(page, chart)
    page.evaluate(axe)
    assert violations(page, ALL_BUT_CONTRAST) == []
    # 640 is a screen of 1280 at 200 % zoom, 320 one at 400 %.
    for width in (1440, 768, 640, 390, 320):
        resized(page, width, 900)
        assert page.evaluate(WIDER) <= 0, width
        assert page.locator("h1").is_visible()
    for landmark in ("banner", "main", "contentinfo", "heading"):
        one = page.get_by_role(landmark, **({"level": 1} if landmark == "heading" else {}))
        assert one.count() == 1, landmark
    for lacking in ("table:not(:has(caption))", "th:not([scope])", "img:not([alt])"):
        assert page.locator(lacking).count() == 0, lacking
    page.emulate_media(color_scheme="dark")
    assert violations(page, NARROW_AND_DARK) == []
    # Looking through colours takes most of the time. They are a matter of elements and classes, not
    # of words, so that of the rows with the same of these one tells of all.
    page.evaluate(ONE_OF_A_KIND)
    assert violations(page, CONTRAST) == []
    page.emulate_media(color_scheme="light")
    resized(page, 1280, 900)
    assert violations(page, CONTRAST) == []


def test_a_word_is_explained_without_scripts_by_key_and_by_finger(
    real: Path, open_page: Open
) -> None:
    options = {"java_script_enabled": False, "has_touch": True}
    page = open_page(real / KINDS["index"], viewport={"width": 390, "height": 844}, **options)
    word, note = page.locator("button[popovertarget]").first, page.locator("#term-attack")
    assert note.is_hidden()
    word.focus()
    page.keyboard.press("Enter")
    expect(note).to_be_visible()
    assert "looks for the small change" in note.inner_text()
    page.keyboard.press("Tab")
    expect(note.get_by_role("link")).to_be_focused()
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    expect(word, "back where the reader was").to_be_focused()
    word.tap()
    expect(note).to_be_visible()
    box = note.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    note.get_by_role("link").tap()
    page.wait_for_url("**/faq.html#pgd")
    expect(page.locator("h2#pgd"), "the question that goes on from here").to_be_visible()


def test_copying_says_so_and_gives_the_whole_text(real: Path, open_page: Open) -> None:
    page = open_page(
        real / KINDS["published model"], permissions=["clipboard-read", "clipboard-write"]
    )
    button = page.get_by_role("button", name="Copy BibTeX")
    button.click()
    page.get_by_role("button", name="Copied").wait_for()
    # What the button says comes after what it does.
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("@misc{amini2024meansparse")
    assert text.rstrip().endswith("}")


def test_the_index_is_walked_by_key_and_printed_whole(real: Path, open_page: Open) -> None:
    page = open_page(real / KINDS["index"], viewport={"width": 390, "height": 844})
    seen: list[float] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        seen.append(page.evaluate("document.activeElement.getBoundingClientRect().top + scrollY"))
    past_the_head = seen[8:]
    steps = pairwise(past_the_head)
    assert all(after > before - 20 for before, after in steps), "down the page, line by line"
    page.emulate_media(media="print")
    expect(page.locator("header nav")).to_be_hidden()
    assert page.locator(".lead").count() >= 2
    assert all(it.is_visible() for it in page.locator(".lead tbody tr").all())
    assert page.locator("[popover]").first.is_hidden()
    word = page.locator("button[popovertarget]").first
    assert word.is_visible(), "the word stays in its sentence"


NAMES = ("x" * 5000, "safe\u202egnp.exe", "real\r\x1b[2Kfake", "רשת-חסונה (1)", "\u2066" * 50)


def test_names_that_are_long_or_act_break_no_page(open_page: Open, tmp_path: Path) -> None:
    rows = tuple(replace(row(number), model=name) for number, name in enumerate(NAMES))
    found = Leaderboard((replace(board(0), rows=rows),), ())
    write(site(found, ()), tmp_path)
    models = (f"models/{it.key}.html" for it in rows)
    page = open_page(tmp_path / "index.html", viewport={"width": 390, "height": 844})
    for name in ("index.html", "boards/board.html", *models):
        page.goto((tmp_path / name).as_uri())
        assert page.evaluate(WIDER) <= 0, name
        text = page.locator("html").inner_text() + page.title()
        assert not set("\u202e\x1b\r\u2066") & set(text), name
        assert page.locator("h1").bounding_box()["height"] < 400, name
