"""Gains over training runs: the interval is for other seeds and other images."""

import json
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t

from eval import Report
from eval.report.percent import signed_points
from leaderboard.boards import RESULTS, boards, leaderboard
from leaderboard.export import to_json, to_markdown
from leaderboard.seeds import GainOverSeeds, Runs, gains_over_seeds, interval_over_seeds
from leaderboard.site.seedsview import seeds_view

Bools = NDArray[np.bool_]
DIGITS = "resnet8-{}-digits"


def drawn(
    chance: np.random.Generator, n_seeds: int, n: int, seed_sd: float, gain: float
) -> tuple[Bools, Bools]:
    """Runs of two models whose images are hard or easy for both, and whose seeds differ."""
    hardness = chance.normal(0, 1, n)

    def runs(shift: float) -> Bools:
        whole = chance.normal(0, seed_sd, (n_seeds, 1)) + chance.normal(0, 0.4, (n_seeds, n))
        return np.asarray(hardness + shift + whole > 0)

    return runs(gain), runs(0.0)


def test_the_interval_by_hand() -> None:
    a = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]], bool)  # 3/4, 2/4, 4/4
    b = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)  # 1/4, 2/4
    images = np.var([0, 1 / 2, 2 / 3, 1 / 3], ddof=1) / 4
    of_a, of_b = (1 / 16) / 3, (1 / 32) / 2
    total = images + of_a + of_b
    freedom = total**2 / (images**2 / 3 + of_a**2 / 2 + of_b**2 / 1)
    half = t.ppf(0.975, freedom) * total**0.5
    assert interval_over_seeds(a, b) == pytest.approx((max(-1, 3 / 8 - half), min(1, 3 / 8 + half)))


def test_seeds_that_agree_leave_the_images_alone() -> None:
    a, b = (np.array([one] * 3, bool) for one in ([1, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0]))
    half = t.ppf(0.975, 5) * (np.var([0, 1, 0, 0, 1, 0], ddof=1) / 6) ** 0.5
    assert interval_over_seeds(a, b) == pytest.approx((1 / 3 - half, 1 / 3 + half))
    assert interval_over_seeds(a, a) == (0, 0)


def test_one_run_or_other_images_have_none() -> None:
    two, one = np.ones((2, 5), bool), np.ones((1, 5), bool)
    for a, b in ((two, one), (one, two), (two, two[:, :4]), (two[:, :1], two[:, :1])):
        with pytest.raises(ValueError, match="no interval over seeds of shapes"):
            interval_over_seeds(a, b)


def test_it_is_as_wide_as_a_bootstrap_of_seeds_and_images() -> None:
    chance = np.random.default_rng(0)
    a, b = drawn(chance, n_seeds=8, n=2000, seed_sd=0.05, gain=0.1)
    found = []
    for _ in range(2000):  # the pigeonhole bootstrap: images for all runs at once, seeds apart
        images = chance.integers(0, 2000, 2000)
        # One fewer than there are: a bootstrap of all eight shows 7/8 of the variance.
        runs = [one[chance.integers(0, 8, 7)][:, images].mean() for one in (a, b)]
        found.append(runs[0] - runs[1])
    low, high = interval_over_seeds(a, b)
    assert (high - low) / (2 * t.ppf(0.975, 15) * np.std(found)) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("seed_sd", [0.0, 0.1])
def test_it_holds_the_truth_at_least_as_often_as_it_says(seed_sd: float) -> None:
    chance = np.random.default_rng(1)
    spread = (1 + seed_sd**2 + 0.4**2) ** 0.5
    truth = NormalDist().cdf(0.1 / spread) - 0.5
    runs = (drawn(chance, 3, 1000, seed_sd, 0.1) for _ in range(300))
    ends = np.array([interval_over_seeds(a, b) for a, b in runs])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.93


def gain(ours: tuple[float, ...], theirs: tuple[float, ...]) -> GainOverSeeds:
    return GainOverSeeds("b", "p", "project", 9, Runs("a", "a", ours), Runs("b", "b", theirs), 0, 0)


def test_what_seeds_alone_do_by_hand() -> None:
    found = gain((0.4, 0.5, 0.6), (0.3, 0.5)).of_seeds_alone
    pooled = (2 * 0.1**2 + 0.2**2 / 2) / 3
    assert found == pytest.approx(t.ppf(0.975, 3) * (2 * pooled) ** 0.5)
    assert gain((0.5, 0.5), (0.4, 0.4)).of_seeds_alone == 0


def test_two_more_runs_are_no_further_apart_than_seeds_alone_do() -> None:
    chance = np.random.default_rng(2)
    within = [
        abs(one - other) <= gain(tuple(ours), tuple(theirs)).of_seeds_alone
        for ours, theirs, (one, other) in (
            (chance.normal(0.5, 0.01, 3), chance.normal(0.4, 0.01, 3), chance.normal(0.5, 0.01, 2))
            for _ in range(2000)
        )
    ]
    assert np.mean(within) == pytest.approx(0.95, abs=0.015)


def test_the_spread_is_that_of_a_sample() -> None:
    runs = Runs("a", "a", (0.4, 0.5, 0.6))
    assert (runs.mean, runs.spread) == (pytest.approx(0.5), pytest.approx(0.1))


def test_the_digits_pair_has_three_runs_each() -> None:
    found = {gain.protocol: gain for gain in gains_over_seeds(boards()) if "digits" in gain.board}
    gain = found["pgd-50"]
    for runs, name in ((gain.model, "silu-sat"), (gain.twin, "relu-at")):
        files = [DIGITS.format(name) + end for end in ("", "-seed-1", "-seed-2")]
        reports = [Report.read(RESULTS / f"{file}.pgd-50.json") for file in files]
        assert runs.accuracies == tuple(it.robust.accuracy for it in reports if it.robust)
    assert gain.difference == pytest.approx(gain.model.mean - gain.twin.mean)
    assert gain.low < gain.difference < gain.high
    assert set(found) == {"clean", "pgd-50", "autoattack-standard@1"}
    assert {it.model.model for it in found.values()} == {DIGITS.format("silu-sat")}


def test_page_and_files_say_them_with_what_seeds_alone_do() -> None:
    whole = leaderboard()
    found = gains_over_seeds(whole.boards)
    page = seeds_view(found, whole.boards)
    markdown = to_markdown(whole)
    stored = json.loads(to_json(whole))["gains_over_seeds"]
    assert len(found) == len(page) == len(stored) > 4
    for gain, line, entry in zip(found, page, stored, strict=True):
        reach = f"±{100 * gain.of_seeds_alone:.1f}"
        assert line["of_seeds_alone"] == reach
        ends = f"{signed_points(gain.low)} to {signed_points(gain.high)}"
        assert f"| {signed_points(gain.difference)} ({ends}) | {reach} |" in markdown
        assert entry["difference"] == gain.difference
        assert entry["of_seeds_alone"] == gain.of_seeds_alone
