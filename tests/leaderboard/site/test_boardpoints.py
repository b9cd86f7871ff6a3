"""The points of a board: both numbers of one source, best known as its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.boards import Board, boards
from leaderboard.numbers import Claimed, Measured
from leaderboard.rows import BoardRow
from leaderboard.site.boardpoints import board_points, first_attack
from leaderboard.site.boardrows import row_data
from leaderboard.site.boardview import number_columns
from tests.browser.fakes import board as fake


@pytest.fixture(scope="module")
def committed() -> tuple[Board, ...]:
    return boards()


def measured(correct: int) -> Measured:
    path = Path("report.json")
    return Measured(correct / 1000, n=1000, correct=correct, report_path=path)


def mixed() -> Board:
    """A third party's AutoAttack and clean accuracy, and a PGD-50 of ours that broke more."""
    row = BoardRow(
        "a",
        "a",
        "a",
        clean=measured(800),
        robust={"pgd-50": measured(400)},
        third_party={
            "clean": Claimed(0.9, source="a source"),
            "autoattack": Claimed(0.5, source="a source"),
        },
    )
    return replace(fake(0), rows=(row,))


def test_what_is_best_known_is_a_point_of_whoever_found_it() -> None:
    (point,) = board_points(mixed(), "autoattack")
    assert (point["kind"], point["x"], point["y"]) == ("measured", 80, 40)


def test_scripts_know_whose_best_known_is() -> None:
    board = mixed()
    data = row_data(board, board.rows[0], number_columns(board))
    assert data["best_by"] == "measured"


def test_every_row_with_a_best_known_number_is_one_point_at_it(
    committed: tuple[Board, ...],
) -> None:
    n = 0
    for board in committed:
        rows = [row for row in board.rows if row.best]
        points = board_points(board, first_attack(board))
        if not rows:
            assert {point["kind"] for point in points} <= {"claimed", "third party"}
            continue
        assert [point["name"] for point in points] == [row.model for row in rows]
        for row, point in zip(rows, points, strict=True):
            assert row.best is not None
            assert point["y"] == round(100 * row.best.number.accuracy, 2)
            n += 1
    assert n > 150


def test_where_nothing_is_ranked_the_points_are_claims_of_one_attack(
    committed: tuple[Board, ...],
) -> None:
    board = next(it for it in committed if it.key == "imagenet-linf-4-255-full")
    points = board_points(board, "pgd-200")
    relu = next(point for point in points if point["name"] == "resnet50-relu-at")
    assert (relu["x"], relu["y"]) == (68.8, 33.0), "both of the paper"
