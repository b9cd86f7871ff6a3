"""Every surface that shows a number of a run that ended early says that it is estimated."""

import csv
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.report.percent import percent, percent_range
from leaderboard import export
from leaderboard.boards import Board, Leaderboard, leaderboard
from leaderboard.claims import checks
from leaderboard.numbers import Claimed
from leaderboard.results import RESULTS
from leaderboard.rows import BoardRow
from leaderboard.site import builder
from leaderboard.texts import OF_ESTIMATES
from tests.leaderboard.early import ended_early
from tests.leaderboard.light import without_drawings

Run = Callable[..., Any]
SILU = Report.read(RESULTS / "resnet8-silu-sat-digits.autoattack.json")
RELU = Report.read(RESULTS / "resnet8-relu-at-digits.autoattack.json")
CUT = ended_early(SILU, 100, after="apgd-ce")
SHARE, RANGE = percent(CUT.robust.accuracy), percent_range(*CUT.robust.ci95)
FULL_RUN = percent_range(*CUT.estimate.full_run)
NAME = SILU.model.name
KEY = "digits-linf-3-16-full"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("results")
    CUT.write(place / "cut.json")
    RELU.write(place / "whole.json")
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> Leaderboard:
    whole = leaderboard([folder])
    boards = tuple(board for board in whole.boards if board.key == KEY)
    return Leaderboard(tuple(_with_claim(board) for board in boards), whole.refused)


def _with_claim(board: Board) -> Board:
    def claiming(row: BoardRow) -> BoardRow:
        if row.model != NAME:
            return row
        claimed = {"autoattack": Claimed(0.1, source="a paper")}
        row = replace(row, claimed=claimed)
        return replace(row, checks=checks(row))

    return replace(board, rows=tuple(map(claiming, board.rows)))


@pytest.fixture(scope="module")
def pages(found: Leaderboard) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        without_drawings(patch)
        return {name: html.unescape(text) for name, text in builder.site(found, ()).items()}


def test_the_text_tables_say_it_and_state_the_rule(found: Leaderboard) -> None:
    text = export.to_markdown(found)
    assert f"{SHARE} ({RANGE}), estimated |" in text
    assert OF_ESTIMATES in text
    assert "claim 10.0 is outside the estimated interval" in text
    latex = export.to_latex(found)
    low, high = map(percent, CUT.robust.ci95)
    assert rf"{SHARE} {{\scriptsize ({low}--{high}), estimated}}" in latex
    n_marks = (text + latex).count("), estimated")
    assert (text + latex).count(SHARE) == n_marks == 4, "in both, as measured and as best known"


def test_the_terminal_says_it_and_states_the_rule(sat_zoo: Run, folder: Path) -> None:
    done = sat_zoo("leaderboard", "show", "digits", "--all", "--results", folder, "--only")
    said = " ".join(done.out.split())
    assert done.code == 0, done.err
    assert "estimated: the run ended before all images were settled; an estimate changes" in said
    (line,) = [line for line in done.out.splitlines() if SHARE in line]
    assert line.count("estimated") == line.count(SHARE) == 2


def test_exact_tables_do_not_speak_of_estimates_in_the_terminal(sat_zoo: Run) -> None:
    assert "estimate" not in sat_zoo("leaderboard", "show", "digits", "--all").out


def test_csv_and_json_mark_it_and_count_nothing(found: Leaderboard) -> None:
    lines = list(csv.DictReader(io.StringIO(export.to_csv(found))))
    (cut,) = [line for line in lines if line["estimated"] == "yes"]
    assert (cut["model"], cut["correct"], cut["open"]) == (NAME, "", "185")
    assert float(cut["full_run_low"]) == CUT.estimate.full_run[0]
    assert float(cut["full_run_high"]) == CUT.estimate.full_run[1]
    assert {line["estimated"] for line in lines if line["source"] != "measured"} <= {""}
    told = json.loads(export.to_json(found))
    rows = {row["model"]: row for row in told["boards"][0]["rows"]}
    measured = {
        name: {it["protocol"]: it for it in row["numbers"] if it["kind"] == "measured"}
        for name, row in rows.items()
    }
    one = measured[NAME]["autoattack-standard@1"]
    assert (one["estimated"], one["correct"], one["open"]) == (True, None, 185)
    assert one["full_run"] == list(CUT.estimate.full_run)
    whole = measured[RELU.model.name]["autoattack-standard@1"]
    assert (whole["estimated"], whole["open"], whole["full_run"]) == (False, 0, None)
    assert [check["estimated"] for check in rows[NAME]["checks"]] == [True]


def test_the_page_of_a_board_says_it(pages: dict[str, str]) -> None:
    page = pages[f"boards/{KEY}.html"]
    assert f"{SHARE}<small>{RANGE}, estimated</small>" in page
    ours, theirs = "1 measured by us", "1 (1 estimated) measured, by whom is not known"
    assert f"2 models, {ours}; {theirs}" in page
    assert OF_ESTIMATES[1:] in page
    data = re.search(r'id="page-data">(.*?)</script>', page, re.S)
    assert data is not None
    best = [row["numbers"][0] for row in json.loads(data[1])["rows"]]
    assert sorted(mark for _, _, _, mark, _ in best) == ["", ", estimated"]


def test_the_page_of_a_model_says_what_each_interval_is_of(pages: dict[str, str]) -> None:
    page = pages[f"models/{KEY}-{NAME}.html"]
    assert f"{RANGE}, estimated</small><small>185 of 360 images open" in page
    assert f"whole run would find {FULL_RUN} % robust, sure to 95 %" in page
    assert f"distribution that the images came from, the 95 % interval is {RANGE} %" in page
    assert "of the 285 images that stood after apgd-ce, 100 were attacked to the end" in page
    assert "open images count as still right" in page
    known = CUT.images.verdicts.count("robust")
    assert f"{known} of 360" not in page
    other = pages[f"models/{KEY}-{RELU.model.name}.html"]
    assert "stimated" not in other.split("<footer")[0]


def test_pages_across_boards_say_it(pages: dict[str, str]) -> None:
    assert f"{SHARE}<small>{RANGE}, estimated</small>" in pages["claims.html"]
    assert f"measured {SHARE}, estimated" in pages[f"models/{KEY}-{NAME}.html"]
    index = pages["index.html"]
    assert f"{SHARE}</b><small>{RANGE}, estimated</small>" in index
    assert "1 (1 estimated) measured, by whom is not known" in index
    assert OF_ESTIMATES in index
    assert f'"robust","{SHARE}, estimated"' in pages["activations.html"]


def test_the_best_number_of_a_board_is_an_exact_one(pages: dict[str, str]) -> None:
    exact = percent(RELU.robust.accuracy)
    assert RELU.robust.accuracy < CUT.robust.accuracy
    index = pages["index.html"]
    assert index.index(f"<b>{exact}</b>") < index.index(f"<b>{SHARE}</b>")


def test_no_other_number_on_any_page_is_called_estimated(
    pages: dict[str, str], found: Leaderboard
) -> None:
    exact = percent(RELU.robust.accuracy)
    for text in (*pages.values(), export.to_markdown(found), export.to_latex(found)):
        assert not re.search(rf"{exact}[^|<\n]{{0,30}}estimated", text)
