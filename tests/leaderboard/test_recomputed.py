"""Every interval, best known number and rank of every committed board, from the JSON alone."""

import json
import math
from collections.abc import Iterator
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
                one["accuracy"]
                for number in row["numbers"]
                if number["kind"] != "claimed" and number["protocol"] != "clean"
                for one in (number, number.get("best_known"))
                if one and not one.get("estimated")
            ]
            if found:
                assert row["best_known"]["accuracy"] == min(found), row["model"]


def test_every_rank_follows_from_the_best_known_numbers(boards: list[dict[str, Any]]) -> None:
    n_checked = 0
    for board in boards:
        ranked = [row for row in board["rows"] if row["rank"]]
        level = 1 - 0.05 / max(len(ranked) - 1, 1)
        spreads = [
            (found["accuracy"], *wilson(found["accuracy"], found["n"], level))
            for found in (row["best_known"] for row in ranked)
        ]
        for row, one in zip(ranked, spreads, strict=True):
            n_above = sum(_is_above(other, one) for other in spreads)
            n_below = sum(_is_above(one, other) for other in spreads)
            assert row["rank"] == [1 + n_above, len(ranked) - n_below], row["model"]
            n_checked += 1
    assert n_checked > 180


def test_rows_stand_in_the_order_of_best_known(boards: list[dict[str, Any]]) -> None:
    for board in boards:
        shares = [row["best_known"]["accuracy"] for row in board["rows"] if row["rank"]]
        assert shares == sorted(shares, reverse=True)


def _is_above(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return one[0] - other[0] > math.sqrt((one[0] - one[1]) ** 2 + (other[2] - other[0]) ** 2)
