"""The page of claims: each number under the name of the attack that found it."""

from __future__ import annotations

import pytest

from leaderboard.boards import Board, boards
from leaderboard.site.claimsview import claims_view
from tests.browser.fakes import board as fake


@pytest.fixture(scope="module")
def committed() -> tuple[Board, ...]:
    return boards()


@pytest.mark.parametrize(
    ("model", "reported", "autoattack", "best"),
    [
        ("Kang2021Stable", "71.3", "71.3", "64.2"),
        ("Xiao2020Enhancing", "52.4", "18.5", "7.4"),
        ("Amini2024MeanSparse_S-WRN-94-16", "75.3", "75.3", "73.1"),
        ("Bai2024MixedNUTS", "69.7", "70.1", "69.7"),
        ("Rice2020Overfitting", "58.0", "53.4", ""),
    ],
)
def test_autoattack_and_best_known_stand_under_their_own_names(
    committed: tuple[Board, ...], model: str, reported: str, autoattack: str, best: str
) -> None:
    view, _ = claims_view(committed)
    same = (it for it in view["reported"] if it["name"] == model)
    line = next(it for it in same if it["board"].startswith("CIFAR-10, Linf"))
    assert (line["found"], line["best"]) == (autoattack, best)
    assert ["AutoAttack", autoattack] in line["lines"]
    assert (["best known", best] in line["lines"]) == bool(best)
    assert ["reported", reported] in line["lines"]


def test_every_point_is_at_what_autoattack_found(committed: tuple[Board, ...]) -> None:
    view, data = claims_view(committed)
    rows = {row.key: row for board in committed for row in board.rows}
    points = data["data"]["reported"]["points"]
    for line, point in zip(view["reported"], points, strict=True):
        found = rows[line["key"]].third_party["autoattack"]
        assert point["y"] == line["y"] == round(100 * found.accuracy, 2)
        assert point["name"] == line["name"]
        assert line["gap"] == pytest.approx((line["y"] - line["x"]) / 100, abs=1e-9)


def test_the_titles_count_the_lines_that_they_are_of(committed: tuple[Board, ...]) -> None:
    view, _ = claims_view(committed)
    gaps = [line["gap"] for line in view["reported"]]
    above, far = sum(gap < 0 for gap in gaps), sum(gap < -0.05 for gap in gaps)
    assert view["reported_say"].startswith(f"Of {above} of {len(gaps)} models")
    assert view["reported_say"].endswith(f"of {far} by more than 5 points")
    assert 0 < far < above


def test_without_a_claim_there_is_no_line() -> None:
    view, data = claims_view([fake(3)])
    assert view["checks"] == view["reported"] == []
    assert data["data"]["reported"] == {"points": [], "zero": []}
