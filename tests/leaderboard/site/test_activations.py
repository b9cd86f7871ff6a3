"""The page of activations: each difference with its data, and no difference of two sources."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import pytest

from leaderboard.boards import Board, boards
from leaderboard.site.activationsview import activations_view, gains_say
from leaderboard.twins import Gain, twins


@pytest.fixture(scope="module")
def committed() -> tuple[Board, ...]:
    return boards()


@pytest.fixture(scope="module")
def gains(committed: tuple[Board, ...]) -> tuple[Gain, ...]:
    return twins(committed)


def test_no_two_gains_share_a_line_of_the_chart(
    committed: tuple[Board, ...], gains: tuple[Gain, ...]
) -> None:
    _, data = activations_view(committed, gains)
    labels = Counter(point["label"] for point in data["data"]["gains"]["points"])
    assert len(labels) == len(gains) > 10
    assert {gain.model for gain in gains if gain.protocol == "pgd-50 no fallback"}, (
        "pairs on two data sets"
    )


def test_every_gain_names_its_data(committed: tuple[Board, ...], gains: tuple[Gain, ...]) -> None:
    view, data = activations_view(committed, gains)
    names = {board.key: board.subset for board in committed}
    for gain, shown, point in zip(
        gains, view["gains"], data["data"]["gains"]["points"], strict=True
    ):
        assert shown["data"].endswith(names[gain.board])
        assert point["label"].endswith(shown["data"])
        assert ["data", shown["data"]] in point["lines"]
    assert {"CIFAR-10", "Digits"} <= {it["data"].split(",")[0] for it in view["gains"]}


def test_what_interval_or_exact_test_leaves_open_does_not_show_a_difference(
    committed: tuple[Board, ...], gains: tuple[Gain, ...]
) -> None:
    view, _ = activations_view(committed, gains)
    for gain, shown in zip(gains, view["gains"], strict=True):
        is_open = gain.low <= 0 <= gain.high or gain.p_value >= 0.05
        assert (shown["says"] == "does not show a difference") == is_open
    assert any(gain.low > 0 and gain.p_value >= 0.05 for gain in gains), "the two may disagree"
    autoattack = next(it for it in view["gains"] if it["protocol"] == "AutoAttack")
    assert autoattack["says"] == "does not show a difference"


def made(low: float, high: float) -> Gain:
    filled = {it.name: "" for it in dataclasses.fields(Gain)}
    values = {"low": low, "high": high, "difference": (low + high) / 2, "p_value": 0.01}
    return Gain(**{**filled, **values})


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([(0.1, 0.2)], "1 of 1 differences show the smooth model ahead"),
        ([(-0.1, 0.2)], "0 of 1 differences show the smooth model ahead, 1 does not show a"),
        ([(-0.2, -0.1), (0.1, 0.2)], "1 of 2 differences show the smooth model ahead, 1 the ReLU"),
    ],
)
def test_the_title_counts_who_is_ahead(ends: list[tuple[float, float]], said: str) -> None:
    assert gains_say([made(*it) for it in ends]).startswith(said)


def test_a_slope_ends_at_the_two_accuracies_with_their_own_intervals(
    committed: tuple[Board, ...], gains: tuple[Gain, ...]
) -> None:
    view, data = activations_view(committed, gains)
    rows = {row.key: row for board in committed for row in board.rows}
    for pair, points in zip(view["pairs"], data["pairs"], strict=True):
        twin, model = points[0], points[1]
        assert twin["attack"] == model["attack"] == "clean"
        for point, key in ((twin, pair["twin"]["key"]), (model, pair["model"]["key"])):
            clean = rows[key].clean
            assert clean is not None
            found = [round(100 * it, 2) for it in (clean.accuracy, clean.low, clean.high)]
            assert [point["y"], point["y_low"], point["y_high"]] == found
        labels = sorted(point["label_y"] for point in points if "label_y" in point)
        height = max(p["y_high"] for p in points) - min(p["y_low"] for p in points)
        for one, other in itertools.pairwise(labels):
            assert other - one > 0.9 * 15 / 230 * height, "a name a line"


def test_numbers_of_two_sources_that_contradict_are_named(
    committed: tuple[Board, ...], gains: tuple[Gain, ...]
) -> None:
    view, _ = activations_view(committed, gains)
    assert {it["name"] for it in view["apart"]} == {"resnet50-silu-sat"}
