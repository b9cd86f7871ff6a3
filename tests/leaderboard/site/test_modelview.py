"""A model's page: each number beside its own interval, its source, what can be copied of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from eval.intervals import wilson
from leaderboard.boards import Board, Leaderboard
from leaderboard.origins import Who
from leaderboard.rows import BoardRow
from leaderboard.site.modelview import model_page, model_view
from leaderboard.site.numbers import source_link
from tests.browser.fakes import board, measured, row

COMMON = {"built": "2026-11-26", "version": "0.1.0", "here": ""}


def find(found: Leaderboard, name: str) -> tuple[BoardRow, Board]:
    return next((it, where) for where in found.boards for it in where.rows if it.model == name)


def every(found: Leaderboard) -> list[tuple[BoardRow, Board]]:
    return [(it, where) for where in found.boards for it in (*where.rows, *where.excluded)]


def test_no_number_stands_beside_the_interval_of_another(committed: Leaderboard) -> None:
    n_shown = 0
    for it, where in every(committed):
        if it.is_estimated:
            continue
        for line in model_view(it, where)["numbers"]:
            n = re.search(r"of ([\d,]+) images", line["of"])
            if n is None:
                assert line["range"] == ""
                continue
            low, high = (float(end) for end in line["range"].split(" to "))
            assert low <= float(line["text"]) <= high, (it.model, line)
            n_shown += 1
    assert n_shown > 300


@pytest.mark.parametrize(
    ("name", "autoattack", "best"),
    [
        ("Amini2024MeanSparse_S-WRN-94-16", 0.7528, 0.7310),
        ("Kang2021Stable", 0.7128, 0.6420),
        ("Xiao2020Enhancing", 0.1850, 0.0740),
    ],
)
def test_best_known_stands_beside_autoattack_each_by_its_name(
    committed: Leaderboard, name: str, autoattack: float, best: float
) -> None:
    it, where = find_anywhere(committed, name)
    lines = {line["what"]: line for line in model_view(it, where)["numbers"]}
    n = next(number for key, number in it.third_party.items() if key == "autoattack").n
    assert n is not None
    for what, share in (("AutoAttack", autoattack), ("Robust, best known", best)):
        low, high = wilson(round(share * n), n)
        assert lines[what]["text"] == f"{100 * share:.1f}"
        assert lines[what]["range"] == f"{100 * low:.1f} to {100 * high:.1f}"
    assert lines["Robust, best known"]["found_by"] == "stronger than AutoAttack"


def find_anywhere(found: Leaderboard, name: str) -> tuple[BoardRow, Board]:
    return next(
        (it, where)
        for it, where in every(found)
        if it.model == name and "autoattack" in it.third_party
    )


def test_the_head_says_best_known_clean_and_rank(committed: Leaderboard) -> None:
    it, where = find(committed, "Amini2024MeanSparse_S-WRN-94-16")
    head = model_view(it, where)["headline"]
    assert [line["what"] for line in head] == ["Robust, best known", "Clean", "Rank"]
    assert [line["text"] for line in head] == ["73.1", "93.6", str(it.rank)]
    assert head[0]["range"] == model_view(it, where)["numbers"][0]["range"]
    assert head[2]["of"] == f"of {sum(row.rank is not None for row in where.rows)} ranked"


def test_where_only_authors_speak_the_head_shows_claims_and_no_rank(committed: Leaderboard) -> None:
    it, where = find(committed, "resnet152-silu-sat")
    head = model_view(it, where)["headline"]
    assert {line["whose"] for line in head} == {"claimed"}
    assert "Rank" not in {line["what"] for line in head}


@pytest.mark.parametrize(
    ("origin", "reran", "says"),
    [
        ("project", False, "measured by us"),
        ("submitter", False, "measured by a submitter"),
        ("submitter", True, "measured by a submitter, run again by us"),
        ("unknown", False, "measured, by whom is not known"),
    ],
)
def test_a_measured_number_says_who_measured_it(origin: Who, reran: bool, says: str) -> None:
    number = replace(measured(700), origin=origin, reran=reran)
    it = replace(row(0), robust={"autoattack-standard@1": number}, clean=number)
    page = model_page(it, board(1), COMMON)
    assert says in page
    assert ("measured by us" in page) == (origin == "project")


def test_a_source_in_a_repository_is_a_link_to_that_file_at_that_commit() -> None:
    path = "model_info/cifar10/Linf/A.json"
    source = f"{path} of github.com/RobustBench/robustbench at 78fcc9e"
    assert source_link(source) == f"https://github.com/RobustBench/robustbench/blob/78fcc9e/{path}"
    for text in ("Table 3 of the paper", "x of gitlab.com/a/b at 78fcc9e", 'a" of github.com/a/b'):
        assert source_link(text) is None


def test_a_page_has_what_can_be_copied_and_one_note_once(committed: Leaderboard) -> None:
    it, where = find(committed, "Amini2024MeanSparse_S-WRN-94-16")
    page = model_page(it, where, COMMON)
    for text in ("@misc{amini2024meansparse", "load_model(model_name="):
        assert text in page
    assert page.count("due to APGD (both versions) with BPDA") == 1, "beside its number"


HOSTILE = {
    "an escape sequence": ("a\x1b[31mred", r"a\x1b[31mred"),
    "a turn of direction": ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
    "an isolate": ("\u2066a", r"\u2066a"),
    "a carriage return": ("real\rfake", r"real\rfake"),
    "nothing": ("a\0b", r"a\x00b"),
    "half a character": ("a\ud800b", r"a\ud800b"),
    "a space that none sees": ("a\u200bb", r"a\u200bb"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_would_act_in_a_name_is_seen_instead(case: str) -> None:
    name, shown = HOSTILE[case]
    page = model_page(replace(row(7), model=name), board(1), COMMON)
    assert name not in page
    bare = page.replace("<wbr>", "")
    assert f"<h1><bdi>{shown}</bdi></h1>" in bare
    assert f"<title>{shown} · sat-zoo leaderboard</title>" in bare
    page.encode("utf-8")


def test_a_name_of_5000_characters_is_cut_wherever_it_is_shown() -> None:
    long = replace(row(7), model="x" * 5000)
    page = model_page(long, board(1), COMMON)
    assert "x" * 101 not in page.replace("<wbr>", "")


def test_a_hebrew_name_stays_as_it_is_and_by_itself(committed: Leaderboard) -> None:
    page = model_page(replace(row(7), model="רשת-חסונה (1)"), board(1), COMMON)
    assert "<bdi>רשת-<wbr>חסונה (1)</bdi>" in page


def test_an_unknown_part_of_a_view_is_an_error_and_not_a_gap(committed: Leaderboard) -> None:
    views: list[dict[str, Any]] = [model_view(*it) for it in every(committed)[:20]]
    keys = {frozenset(line) for view in views for line in view["numbers"]}
    assert len(keys) == 1, "every line of every page has the same parts"
