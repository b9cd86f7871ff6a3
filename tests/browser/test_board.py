"""A board of rows made up: table, filters, charts, and how soon 500 rows stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaderboard.rows import BoardRow
from tests.browser.boards import column, names
from tests.browser.conftest import N_MANY, N_SOME, Open
from tests.browser.fakes import BREAKOUT, HOSTILE, board
from tests.browser.waiting import drawn, expect, still

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROWS = board(N_SOME).rows
POINTS = "figure[data-chart=scatter] .mark-symbol path"


@pytest.fixture
def page(made_up: Path, open_page: Open) -> Page:
    page = open_page(made_up / "boards" / "board.html", wait=".scroll.board.ready")
    drawn(page, "scatter")
    return page


def wait_for_points(page: Page, n: int) -> None:
    """Charts draw a moment later."""
    expect(page.locator(POINTS)).to_have_count(n)
    still(page)


def wait_for_rows(page: Page, n: int) -> None:
    """What says how many there are is said when all the rest of the table stands."""
    said = f"{n} of {N_SOME} models" if n < N_SOME else f"{N_SOME} models"
    expect(page.locator("#shown")).to_have_text(said)


def robust(row: BoardRow) -> float:
    numbers = [*row.robust.values(), *(row.third_party[k] for k in row.third_party if k != "clean")]
    return numbers[0].accuracy


def clean(row: BoardRow) -> float:
    return row.clean.accuracy if row.clean else row.third_party["clean"].accuracy


def test_500_rows_stand_there_without_a_wait(big: Path, open_page: Open) -> None:
    page = open_page(big / "boards" / "board.html")
    session = page.context.new_cdp_session(page)
    # Of the thread, not of the clock: what else the machine does is no property of the page.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload(wait_until="commit")
    page.wait_for_selector("#controls")  # shown once the script has done its work
    metrics = session.send("Performance.getMetrics")["metrics"]
    seconds = {it["name"]: it["value"] for it in metrics}["TaskDuration"]
    assert page.locator("#board tbody tr").count() == N_MANY
    assert (big / "boards" / "board.html").stat().st_size < 600_000
    assert seconds < 5, "under one on a quiet machine"


def test_a_click_or_a_key_sorts_and_says_so(page: Page) -> None:
    head = page.locator("#board th[data-key=parameters]")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    ascending = column(page, "parameters")
    assert ascending[:2] == ["2 M", "4 M"]
    assert ascending[-1] == "–"
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    descending = column(page, "parameters")
    assert descending[0] == "120 M"
    assert descending[-1] == "–", "what is not known comes last, whichever way"


def test_search_and_filters_narrow_the_table_and_the_chart(page: Page) -> None:
    wait_for_rows(page, N_SOME)
    page.locator("[data-filter=activation]").select_option("SiLU")
    page.locator("[data-filter=extra]").select_option("no")
    wanted = [row for row in ROWS if row.activation == "SiLU" and row.extra_data is False]
    wait_for_rows(page, len(wanted))
    assert names(page) == [row.model for row in wanted]
    wait_for_points(page, len(wanted))
    page.locator("#search").fill("model-013")
    wait_for_rows(page, 1)
    assert names(page) == ["model-013"]
    page.locator("#search").fill("no such model")
    wait_for_rows(page, 0)
    assert page.locator("#board tbody").inner_text().strip() == "No model fits these filters."
    page.get_by_role("button", name="Reset").click()
    wait_for_rows(page, N_SOME)
    assert len(names(page)) == N_SOME


def test_attacks_are_shown_one_at_a_time(page: Page) -> None:
    heads = page.locator("#board thead th[scope=colgroup]:visible")
    assert heads.all_inner_texts() == ["AutoAttack", "Clean"]
    page.get_by_role("radio", name="PGD-20").check()
    expect(heads.first).to_have_text("PGD-20")
    claimed = [row.model for row in ROWS if "pgd-20" in row.claimed]
    wait_for_rows(page, len(claimed))
    assert sorted(names(page)) == sorted(claimed)
    empty = page.locator("figure[data-chart=scatter] .no-chart")
    expect(empty, "no clean accuracy").to_be_visible()


def test_the_front_holds_what_no_row_beats_in_both(page: Page) -> None:
    best, corners = -1.0, 0
    ranked = [row for row in ROWS if row.rank is not None and not row.is_estimated]
    assert len(ranked) < sum(row.rank is not None for row in ROWS)
    for row in sorted(ranked, key=lambda row: (-clean(row), -robust(row))):
        if robust(row) > best:
            best, corners = robust(row), corners + 1
    path = page.locator("figure[data-chart=scatter] .mark-line path").get_attribute("d")
    n_lines = 2 * (corners - 1)  # two for each step
    assert len(re.findall("[LHV]", str(path))) == n_lines


def test_a_tooltip_says_what_a_point_is_and_runs_nothing(page: Page) -> None:
    page.locator("#top").select_option("15")
    wait_for_points(page, 15)
    page.locator(POINTS + "[aria-label*='</script><img']").hover(force=True)
    tip = page.get_by_role("tooltip")
    tip.wait_for()
    text = tip.inner_text()
    assert text.splitlines()[0] == BREAKOUT
    assert "robust" in text
    assert "69.9 %" in text
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")


def test_the_tooltip_of_an_estimate_says_so(page: Page) -> None:
    page.locator("#top").select_option("15")
    wait_for_points(page, 15)
    marked = page.locator(POINTS + "[aria-label*=', estimated']")
    assert marked.count() == 1
    marked.hover(force=True)
    tip = page.get_by_role("tooltip")
    tip.wait_for()
    assert re.search(r"robust\s*70\.0 % \([\d.]+ to [\d.]+\), estimated", tip.inner_text())


def test_hostile_names_are_only_text(page: Page, made_up: Path, open_page: Open) -> None:
    assert names(page)[: len(HOSTILE)] == list(HOSTILE)
    assert page.title() == "CIFAR-10, Linf 8/255 · sat-zoo leaderboard"
    for number, name in enumerate(HOSTILE):
        model = open_page(made_up / "models" / f"board-row-{number}.html")
        assert model.locator("h1").inner_text() == name
        assert model.title() == f"{name} · sat-zoo leaderboard"
        assert model.locator("main img").count() == 0


def test_without_scripts_the_whole_table_is_there(big: Path, open_page: Open) -> None:
    page = open_page(big / "boards" / "board.html", java_script_enabled=False)
    assert page.locator("#board tbody tr").count() == N_MANY
    assert page.locator("#controls").is_hidden()
