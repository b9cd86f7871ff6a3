"""The first page: which boards lead, with which rows and numbers, and where the rest is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eval.intervals import wilson
from eval.report.percent import percent
from leaderboard.boards import Board, Leaderboard
from leaderboard.origins import Who
from leaderboard.site import indexview
from leaderboard.site.markup import render
from leaderboard.twins import Gain, twins
from tests.browser.fakes import board, measured, whole
from tests.browser.fakes import row as made

COMMON = {"built": "2026-11-26", "version": "0.1.0", "here": "index.html"}


@pytest.fixture(scope="module")
def view(committed: Leaderboard) -> dict[str, Any]:
    return indexview.index_view(committed, twins(committed.boards))


@pytest.fixture(scope="module")
def page(view: dict[str, Any]) -> str:
    return render("index.html", {**COMMON, **view})


def test_the_boards_that_most_papers_report_on_lead(view: dict[str, Any]) -> None:
    assert [(card["title"], card["subset"].split(" ")[:2]) for card in view["leading"]] == [
        ("CIFAR-10, Linf 8/255", ["all", "10,000"]),
        ("CIFAR-10, L2 0.5", ["all", "10,000"]),
        ("CIFAR-100, Linf 8/255", ["all", "10,000"]),
        ("ImageNet, Linf 4/255", ["5,000", "images,"]),
        ("ImageNet, Linf 4/255", ["all", "50,000"]),
    ]
    assert all(len(card["about"]) > 80 for card in view["leading"]), "each says what it means"


def test_a_leading_board_shows_its_first_rows_as_the_board_has_them(
    committed: Leaderboard, view: dict[str, Any]
) -> None:
    boards = {it.key: it for it in committed.boards}
    for card in view["leading"]:
        rows = boards[card["key"]].rows[:3]
        assert [line["name"] for line in card["first"]] == [row.model for row in rows]
        for line, row in zip(card["first"], rows, strict=True):
            if row.best is None:
                assert line["kind"] == "claimed"
                continue
            number = row.best.number
            assert number.n is not None
            low, high = wilson(round(number.accuracy * number.n), number.n)
            assert line["text"] == percent(number.accuracy)
            assert line["range"] == f"{percent(low)} to {percent(high)}", "its own interval"
            assert row.rank is not None
            assert line["rank"] == str(row.rank)


def test_a_best_known_number_says_that_it_is_not_that_of_autoattack(view: dict[str, Any]) -> None:
    lines = {line["name"]: line for line in view["leading"][0]["first"]}
    line = lines["Amini2024MeanSparse_S-WRN-94-16"]
    assert (line["text"], line["found_by"]) == ("73.1", "stronger than AutoAttack")


def test_a_board_that_nobody_measured_says_so_instead_of_ranking(view: dict[str, Any]) -> None:
    card = view["leading"][-1]
    assert "nobody but the authors" in card["unranked"]
    assert "PGD-" in card["unranked"]
    assert {line["rank"] for line in card["first"]} == {"-"}
    assert all(other["unranked"] is None for other in view["leading"][:-1])


def test_our_own_models_come_next_and_the_rest_is_folded(view: dict[str, Any], page: str) -> None:
    assert {card["title"] for card in view["ours"]} >= {"Digits, Linf 3/16", "CIFAR-10, Linf 8/255"}
    assert all(card["measured"] for card in view["ours"])
    order = [page.index(f'id="{part}"') for part in ("leading", "ours", "gains", "rest", "read")]
    assert order == sorted(order)
    folded = page[page.index('id="rest"') : page.index('id="read"')]
    assert folded.count("<details>") == 1
    for it in view["rest"]:
        assert f"boards/{it['key']}.html" in folded


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ("project", "1 measured by us"),
        ("submitter", "1 measured by a submitter"),
        ("unknown", "1 measured, by whom is not known"),
    ],
)
def test_a_board_is_counted_by_whoever_measured_it(origin: Who, says: str) -> None:
    number = replace(measured(700), origin=origin)
    one = replace(made(0), robust={"autoattack-standard@1": number}, clean=number)
    view = indexview.index_view(Leaderboard((replace(board(0), rows=(one,)),), ()), ())
    assert view["leading"][0]["measured"] == [says]
    assert says in render("index.html", {**COMMON, **view})


def test_every_board_stands_on_the_index_once(committed: Leaderboard, view: dict[str, Any]) -> None:
    keys = [it["key"] for part in ("leading", "ours", "rest") for it in view[part]]
    assert sorted(keys) == sorted(board.key for board in committed.boards)


def test_a_gain_names_its_data_set_and_what_its_interval_shows(view: dict[str, Any]) -> None:
    gains = view["gains"]
    assert {gain["board"].split(",")[0] for gain in gains} >= {"CIFAR-10", "Digits"}
    assert len({(gain["board"], gain["subset"], gain["model"]) for gain in gains}) == len(gains)
    for gain in gains:
        low, high = (float(end.replace("−", "-")) for end in gain["interval"].split(" to "))
        if low <= 0 <= high:
            assert gain["says"] == "does not show a difference"
    digits = next(gain for gain in gains if gain["board"].startswith("Digits"))
    assert digits["attack"] == "AutoAttack", "the strongest attack that both met"


@pytest.mark.parametrize(
    ("low", "high", "p", "says"),
    [
        (-0.01, 0.02, 0.01, "does not show"),
        (0.0, 0.02, 0.01, "does not show"),
        (0.001, 0.02, 0.052, "does not show"),
        (0.01, 0.02, 0.01, "shows a"),
    ],
)
def test_a_difference_is_shown_by_interval_and_exact_test_together(
    low: float, high: float, p: float, says: str
) -> None:
    gain = Gain("board", "a", "b", "a", "b", "pgd-50", "project", 100, 3, 2, 0.01, low, high, p)
    shown = indexview.index_view(whole(3), [gain])["gains"]
    assert shown[0]["says"].startswith(says)
    assert shown[0]["board"] == "CIFAR-10, Linf 8/255"


def _at(eps: str, subset: str) -> Board:
    return Board(**{**vars(board(1)), "eps": eps, "subset_key": subset})


@pytest.mark.parametrize(
    ("eps", "subset"),
    [
        ("0.031", "full"),
        ("8/255", "first-1000"),
        ("8/255", "full-other-0123"),
        ("8/255", "not-stated"),
    ],
)
def test_another_radius_or_choice_of_images_does_not_lead(eps: str, subset: str) -> None:
    shown = indexview.index_view(Leaderboard((_at(eps, subset),), ()), ())
    assert shown["leading"] == []
