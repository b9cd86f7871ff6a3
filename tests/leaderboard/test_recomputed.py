"""Every interval, best known number and rank of every committed board, from the JSON alone."""

import json
import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import pytest
from scipy.stats import binomtest

from leaderboard.boards import leaderboard
from leaderboard.export import to_json

Row = dict[str, Any]


@pytest.fixture(scope="module")
def boards() -> list[dict[str, Any]]:
    whole: dict[str, Any] = json.loads(to_json(leaderboard()))
    return list(whole["boards"])


def numbers(boards: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for board in boards:
        for row in (*board["rows"], *board["excluded"]):
            for number in row["numbers"]:
                yield number
                if number.get("best_known"):
                    yield number["best_known"]
            if row["best_known"]:
                yield row["best_known"]


def wilson(accuracy: float, n: int, level: float = 0.95) -> tuple[float, float]:
    found = binomtest(round(accuracy * n), n).proportion_ci(level, method="wilson")
    return found.low, found.high


def test_every_interval_is_that_of_its_number(boards: list[dict[str, Any]]) -> None:
    n_checked = 0
    for number in numbers(boards):
        if number["n"] is None:
            assert number["ci95"] is None
            continue
        low, high = number["ci95"]
        assert low <= number["accuracy"] <= high
        if not number.get("estimated"):
            assert (low, high) == pytest.approx(wilson(number["accuracy"], number["n"]), abs=1e-9)
        n_checked += 1
    assert n_checked > 400


def test_autoattack_stands_beside_its_own_interval_and_best_known_beside_its_own(
    boards: list[dict[str, Any]],
) -> None:
    (row,) = (
        row
        for board in boards
        if board["key"] == "cifar10-linf-8-255-full"
        for row in board["rows"]
        if row["model"] == "Amini2024MeanSparse_S-WRN-94-16"
    )
    (attack,) = (it for it in row["numbers"] if it["protocol"] == "autoattack")
    assert attack["accuracy"] == 0.7528
    assert attack["ci95"] == pytest.approx([0.7443, 0.7611], abs=1e-4)
    assert row["best_known"]["accuracy"] == 0.731
    assert row["best_known"]["ci95"] == pytest.approx([0.7222, 0.7396], abs=1e-4)
    assert row["best_known"]["stronger"]


def test_best_known_is_the_lowest_that_anybody_but_the_authors_found(
    boards: list[dict[str, Any]],
) -> None:
    for board in boards:
        for row in board["rows"]:
            found = [
                (one["full_run"][1] if one.get("estimated") else one["accuracy"], one["accuracy"])
                for number in row["numbers"]
                if number["kind"] != "claimed" and number["protocol"] != "clean"
                for one in (number, number.get("best_known"))
                if one
            ]
            if found:
                assert row["best_known"]["accuracy"] == min(found)[1], row["model"]


def ranked_in(board: dict[str, Any], *, estimated: bool) -> list[Row]:
    ranked = [row for row in board["rows"] if row["rank"]]
    return [row for row in ranked if row["best_known"]["estimated"] is estimated]


def test_every_rank_follows_from_the_best_known_numbers(boards: list[dict[str, Any]]) -> None:
    n_checked = 0
    for board in boards:
        ranked = ranked_in(board, estimated=False)
        exact = [_spread(row["best_known"], len(ranked) - 1) for row in ranked]
        for row, one in zip(ranked, exact, strict=True):
            n_above = sum(_is_above(other, one) for other in exact)
            n_below = sum(_is_above(one, other) for other in exact)
            assert row["rank"] == [1 + n_above, len(exact) - n_below], row["model"]
            n_checked += 1
    assert n_checked > 180


def test_every_rank_of_an_estimate_is_beside_the_exact_numbers(
    boards: list[dict[str, Any]],
) -> None:
    n_checked = 0
    for board in boards:
        exact_rows = ranked_in(board, estimated=False)
        exact = [_spread(row["best_known"], len(exact_rows)) for row in exact_rows]
        for row in ranked_in(board, estimated=True):
            one = _spread(row["best_known"], len(exact))
            n_above = sum(_is_above(other, one) for other in exact)
            n_below = sum(_is_above(one, other) for other in exact)
            assert row["rank"] == [1 + n_above, len(exact) + 1 - n_below], row["model"]
            n_checked += 1
    assert n_checked > 5


def test_rows_stand_in_the_order_of_best_known(boards: list[dict[str, Any]]) -> None:
    for board in boards:
        for estimated in (False, True):
            found = [row["best_known"] for row in ranked_in(board, estimated=estimated)]
            shares = [one["accuracy"] for one in found]
            assert shares == sorted(shares, reverse=True)
        place = {row["key"]: i for i, row in enumerate(board["rows"])}
        for row in ranked_in(board, estimated=True):
            for other in ranked_in(board, estimated=False):
                (low, high), (least, most) = (it["best_known"]["ci95"] for it in (row, other))
                if low <= most and least <= high:
                    assert place[row["key"]] > place[other["key"]], (row["model"], other["model"])


def _spread(best: dict[str, Any], n_comparisons: int) -> tuple[float, float, float]:
    """The share and its interval at the level of so many comparisons, as Bonferroni has it."""
    share, level = best["accuracy"], 1 - 0.05 / max(n_comparisons, 1)
    if not best["estimated"]:
        return share, *wilson(share, best["n"], level)
    usual, wide = (NormalDist().inv_cdf((1 + sure) / 2) for sure in (0.95, level))
    low, high = (share + (end - share) * wide / usual for end in best["ci95"])
    return share, max(low, 0.0), min(high, 1.0)


def _is_above(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return one[0] - other[0] > math.sqrt((one[0] - one[1]) ** 2 + (other[2] - other[0]) ** 2)
