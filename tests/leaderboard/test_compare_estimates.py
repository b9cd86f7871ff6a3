"""Runs that ended early, compared: on images that are settled in both and can stand for all."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from leaderboard.compare import compare
from leaderboard.drawn import sample
from leaderboard.results import RESULTS
from tests.leaderboard.early import ended_early

Make = Callable[..., Report]
SILU = Report.read(RESULTS / "resnet8-silu-sat-digits.autoattack.json")
RELU = Report.read(RESULTS / "resnet8-relu-at-digits.autoattack.json")


def shuffled(report: Report) -> Report:
    """The same with its images in another order, as another data loader would give them."""
    content = json.loads(report.to_json())
    for name in ("ids", "labels", "verdicts"):
        content["images"][name].reverse()
    return report.model_copy(
        update={"images": type(report.images).model_validate(content["images"])}
    )


@pytest.mark.parametrize("other", [RELU, ended_early(RELU, 40, after="apgd-t")])
@pytest.mark.parametrize(
    "cut", [ended_early(SILU, 100, after="apgd-ce"), ended_early(SILU, 60, seed=7)]
)
def test_only_images_settled_in_both_are_compared(cut: Report, other: Report) -> None:
    done = compare(cut, shuffled(other))
    verdicts = [dict(zip(r.images.ids, r.images.verdicts, strict=True)) for r in (cut, other)]
    settled = {i for i in cut.images.ids if "open" not in (verdicts[0][i], verdicts[1][i])}
    told = [*done.both, *done.kept_by_a_only, *done.kept_by_b_only, *done.neither]
    assert set(told) <= settled
    assert len(told) == done.n == done.robust.n > 0
    assert (done.n_settled, done.n_open) == (len(settled), 360 - len(settled))
    assert all(verdicts[0][i] == "robust" for i in (*done.both, *done.kept_by_a_only))
    assert all(verdicts[1][i] == "robust" for i in (*done.both, *done.kept_by_b_only))
    assert sum(row.n for row in done.classes) == done.n
    assert "open" not in {*done.lost_by_a, *done.lost_by_b}
    assert done.clean.n == 360


@pytest.mark.parametrize("settled", [30, 100, 200])
def test_a_run_that_ended_early_loses_nothing_to_its_own_end(settled: int) -> None:
    done = compare(ended_early(SILU, settled, after="apgd-ce"), SILU)
    assert (done.robust.only_a, done.robust.only_b) == (0, 0)
    assert abs(done.robust.both / done.robust.n - SILU.robust.accuracy) < 0.15


def test_the_images_compared_are_a_fair_sample_and_all_settled_ones_are_not(made: Make) -> None:
    # Of 200 images 100 fall to the first stage and 90 of the other 100 stand.
    verdicts = ["apgd-ce", "robust"] * 100
    for i in range(1, 200, 20):
        verdicts[i] = "fab-t"
    whole = made(verdicts, protocol="autoattack")
    fair, settled = [], []
    for seed in range(300):
        cut = ended_early(whole, 20, after="apgd-ce", seed=seed)
        among = [cut.images.verdicts[i] for i in sample(cut)]
        fair.append(among.count("robust") / len(among))
        known = [verdict for verdict in cut.images.verdicts if verdict != "open"]
        settled.append(known.count("robust") / len(known))
    # 300 runs of about 40 images each: the mean's standard error is below half a point.
    assert statistics.mean(fair) == pytest.approx(0.45, abs=0.015)
    assert statistics.mean(settled) < 0.2


def test_what_is_compared_is_said(sat_zoo: Callable[..., Any], tmp_path: Path) -> None:
    cut = ended_early(SILU, 100, after="apgd-ce")
    note = compare(cut, RELU).notes[0]
    n = compare(cut, RELU).n
    assert note.startswith(
        "A ended early: 185 of 360 images are open in A or B and 175 settled in both. Robust"
        f" accuracy is compared on {n} of these"
    )
    assert f"Of the other {175 - n} too many are lost, to the clean pass and the stages" in note
    cut.write(tmp_path / "a.json")
    RELU.write(tmp_path / "b.json")
    done = sat_zoo("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert f"360 images, robust on {n} of them: 185 are open, see the note" in done.out
    told = json.loads(sat_zoo("compare", tmp_path / "b.json", tmp_path / "a.json", "--json").out)
    assert (told["n"], told["n_images"], told["n_settled"], told["n_open"]) == (n, 360, 175, 185)
    assert told["notes"][0].startswith("B ended early")


@pytest.mark.parametrize("after", ["clean", "apgd-ce", "apgd-t"])
def test_with_too_few_settled_only_clean_accuracy_is_compared(after: str) -> None:
    done = compare(ended_early(SILU, 0, after=after), RELU)
    assert (done.robust, done.held, done.n) == (None, "clean", 360)
    assert "too few settled to stand for all" in done.notes[0]
    assert not {*done.lost_by_a, *done.lost_by_b} - {"clean"}


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("settled", [0, 40, 150])
def test_what_is_known_of_all_images_holds_the_difference_of_the_whole_runs(
    a: int, b: int, settled: int
) -> None:
    reports = [
        ended_early(whole, settled, after="apgd-ce") if is_early else whole
        for whole, is_early in ((SILU, a), (RELU, b))
    ]
    known, whole = compare(*reports).on_all, compare(SILU, RELU).robust
    if not a + b:
        assert known is None
        return
    assert known.low <= whole.difference <= known.high
    assert known.sure == pytest.approx(1 - 0.05 * (a + b))
    ends = [
        (r.estimate.full_run if r.estimate else (r.robust.accuracy,) * 2)[::way]
        for r, way in zip(reports, (1, -1), strict=True)
    ]
    assert (known.low, known.high) == tuple(one - other for one, other in zip(*ends, strict=True))


def test_a_difference_that_all_images_cannot_have_is_not_to_be_believed(
    sat_zoo: Callable[..., Any],
) -> None:
    softplus, relu = (
        f"resnet18-w16-{name}.autoattack-standard-1.{key}"
        for name, key in (("softplus-sat-cifar10", "f799e62b"), ("relu-at-cifar10", "5f8c162f"))
    )
    said = " ".join(sat_zoo("compare", softplus, relu).out.split())
    assert "robust, A - B on all 1000 of these images: -1.8 to +2.2 points, sure to 95 %" in said
    assert "by chance the 340 that are compared differ by +3.8, which all of them cannot" in said
    told = json.loads(sat_zoo("compare", relu, softplus, "--json").out)["robust_on_all"]
    assert told == {"low": pytest.approx(-0.022), "high": pytest.approx(0.018), "sure": 0.95}


def test_whole_runs_are_compared_as_before() -> None:
    done = compare(SILU, RELU)
    assert (done.n, done.n_settled, done.n_open, done.notes) == (360, 360, 0, done.notes)
    assert not any("early" in note for note in done.notes)
