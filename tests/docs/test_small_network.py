"""The page about the small network says what the committed Reports and the cards say."""

import re
from collections.abc import Sequence

import pytest

from docs.make_small_network import (
    BOARD,
    PAGE,
    PICTURE,
    Point,
    gradient_points,
    page,
    picture,
    points,
)
from eval.report.percent import percent, signed_range
from leaderboard.boards import Board, boards
from leaderboard.compare import compare
from leaderboard.folders import RESULTS
from leaderboard.results import read_report
from leaderboard.seeds import gains_over_seeds


@pytest.fixture(scope="module")
def every() -> Sequence[Board]:
    return boards()


@pytest.fixture(scope="module")
def found(every: Sequence[Board]) -> list[Point]:
    return points(every)


def marks(svg: str) -> list[str]:
    """What each mark says of itself."""
    return re.findall(r'aria-label="([^"]*)"', svg)


def test_tables_and_picture_are_what_the_script_writes(
    found: list[Point], every: Sequence[Board]
) -> None:
    said = "write them again: python docs/make_small_network.py"
    assert PAGE.read_text("utf-8") == page(
        PAGE.read_text("utf-8"), found, gradient_points(every)
    ), said
    assert marks(PICTURE.read_text("utf-8")) == marks(picture(found)), said
    assert sum("points: " in one for one in marks(picture(found))) > 10


def test_what_the_page_says_in_words_follows_from_the_numbers(found: list[Point]) -> None:
    both = [it for it in found if it.ours is not None and it.paper is not None]
    attacked = [it for it in both if it.attack == "pgd-50"]
    assert {it.activation: it.says.split(",")[0] for it in attacked} == {
        "silu": "agrees",
        "gelu": "agrees",
        "elu": "differs",
        "smoothrelu": "cannot tell",
        "softplus": "cannot tell",
    }
    assert {it.activation for it in both if it.runs != 1} == {"silu"}
    of_silu = {it.attack: it for it in both if it.activation == "silu"}
    assert of_silu["clean"].says == "cannot tell", "in three runs of each"
    assert of_silu["pgd-50"].runs == of_silu["clean"].runs == 3
    assert of_silu["pgd-50"].ours == pytest.approx(0.0167, abs=5e-4)
    by_seed = {(it.activation, it.attack) for it in found if it.says.count("as a seed may do")}
    assert {name for name, attack in by_seed if attack == "pgd-50"} == {"elu", "celu", "mish"}
    told = {it.activation for it in found if it.runs == 1 and it.interval and it.attack == "clean"}
    assert {name for name, attack in by_seed if attack == "clean"} == told - {"smoothrelu"}
    agreeing = [it for it in attacked if it.says.startswith("agrees")]
    assert all(0 < it.ours < it.paper / 4 for it in agreeing if it.ours and it.paper)
    clean = {it.activation: it for it in found if it.attack == "clean"}
    behind = [name for name, it in clean.items() if it.interval and it.interval[1] < 0]
    assert {"elu", "celu", "mish", "softplus", "parametric-softplus"} == set(behind)
    assert clean["elu"].ours == pytest.approx(-0.021, abs=5e-4)
    assert clean["mish"].ours == pytest.approx(-0.005, abs=5e-4)
    assert clean["softplus"].ours == pytest.approx(-0.033, abs=5e-4)
    assert clean["parametric-softplus"].ours == pytest.approx(-0.005, abs=5e-4)
    untold = [it for it in found if it.says == "cannot tell, in one run of each"]
    assert {it.activation for it in untold if it.attack == "pgd-50"} == {
        "smoothrelu",
        "softplus",
        "parametric-softplus",
    }
    exact = next(it for it in found if (it.activation, it.attack) == ("gelu-exact", "pgd-50"))
    assert exact.ours == pytest.approx(0.015, abs=5e-4)
    gelu, silu, elu, celu, mish = (
        read_report(RESULTS / f"resnet18-w16-{name}-sat-cifar10.pgd-50.json")
        for name in ("gelu", "silu", "elu", "celu", "mish")
    )
    pair = compare(gelu, silu).robust
    assert pair is not None
    assert pair.interval()[0] > 0, "GELU is ahead of SiLU's first run"
    reach = of_silu["pgd-50"].of_seeds_alone
    assert reach is not None
    assert pair.difference < reach, "by no more than a seed may do"
    pair = compare(mish, silu).robust
    assert pair is not None
    low, high = pair.interval()
    assert -0.0055 < low < 0 < high < 0.0055, "Mish gains what SiLU gains, to half a point"
    assert elu.images == celu.images, "the verdicts of CELU are those of ELU"


def test_what_is_said_of_gradients_alone_is_what_the_reports_say(every: Sequence[Board]) -> None:
    told = {(it.activation, it.attack): it for it in gradient_points(every)}
    papers = {key: it.paper for key, it in told.items() if key[1] == "pgd-50"}
    assert [round(100 * (gain or 0), 1) for gain in papers.values()] == [1.5, 2.8, 3.9]
    for who in ("the attacker", "the optimizer", "both"):
        it = told[who, "pgd-50"]
        assert it.interval is not None
        assert -0.0065 < it.interval[0] < 0 < it.interval[1] < 0.0065, "to 0.6 points"
        assert it.ours == pytest.approx(0, abs=0.0015), "within 0.1"
        assert it.of_seeds_alone is not None
        assert 0.01 < it.of_seeds_alone < min(gain or 0 for gain in papers.values())
    attackers, optimizers = told["the attacker", "clean"], told["the optimizer", "clean"]
    assert attackers.ours == pytest.approx(0.012, abs=5e-4)
    assert attackers.says == "differs, in one run of each, as a seed may do"
    assert optimizers.says == "cannot tell, in one run of each"
    assert told["both", "clean"].says == "cannot tell, in one run of each"


@pytest.mark.parametrize(
    ("board", "protocol", "n", "difference"),
    [
        (BOARD, "pgd-50", 10_000, [1.7, 1.0, 2.4]),
        (BOARD, "clean", 10_000, [1.3, -0.8, 3.4]),
        ("cifar10-linf-8-255-first-1000", "pgd-50", 1000, [1.2, -0.2, 2.5]),
        ("cifar10-linf-8-255-first-1000", "clean", 1000, [2.1, -0.1, 4.2]),
    ],
)
def test_what_is_said_of_three_runs_is_what_the_reports_say(
    every: Sequence[Board], board: str, protocol: str, n: int, difference: list[float]
) -> None:
    (gain,) = (
        one
        for one in gains_over_seeds(every)
        if one.model.model == "resnet18-w16-silu-sat-cifar10"
        and (one.board, one.protocol) == (board, protocol)
    )
    assert gain.n == n
    assert [len(runs.accuracies) for runs in (gain.model, gain.twin)] == [3, 3]
    if protocol == "pgd-50":
        assert min(gain.model.accuracies) > max(gain.twin.accuracies), "each ahead of each"
    found = [round(100 * one, 1) for one in (gain.difference, gain.low, gain.high)]
    assert found == difference
    if board == BOARD:
        reach = {"pgd-50": 1.2, "clean": 3.4}[protocol]
        assert round(100 * gain.of_seeds_alone, 1) == reach


def test_what_is_said_of_the_full_width_is_what_the_reports_say() -> None:
    silu, relu = (
        read_report(RESULTS / f"resnet18-{end}-cifar10.pgd-50.json")
        for end in ("silu-sat", "relu-at")
    )
    compared, text = compare(silu, relu), PAGE.read_text("utf-8")
    assert compared.robust is not None
    for pair in (compared.robust, compared.clean):
        points = f"{percent(pair.difference)} points ({signed_range(*pair.interval())}"
        assert f"is ahead by {points}" in text


@pytest.mark.parametrize(
    ("ours", "interval", "runs", "paper", "seeds", "says"),
    [
        (None, None, 0, 0.08, 0.01, "cannot tell: not measured"),
        (0.01, (-0.01, 0.03), 1, 0.08, 0.02, "cannot tell, in one run of each"),
        (0.02, (0.01, 0.03), 1, 0.08, None, "agrees, in one run of each"),
        (0.02, (0.01, 0.03), 1, 0.08, 0.01, "agrees, in one run of each"),
        (0.02, (0.01, 0.03), 1, 0.08, 0.02, "agrees, in one run of each, as a seed may do"),
        (0.02, (0.01, 0.03), 3, 0.08, 0.02, "agrees"),
        (-0.02, (-0.03, -0.01), 3, 0.08, None, "differs"),
        (-0.02, (-0.03, -0.01), 1, 0.08, 0.03, "differs, in one run of each, as a seed may do"),
        (-0.02, (-0.03, -0.01), 3, -0.006, None, "agrees"),
        (0.02, (0.01, 0.03), 3, None, None, "ahead; not published"),
        (-0.02, (-0.03, -0.01), 1, None, 0.01, "behind, in one run of each; not published"),
    ],
)
def test_agreement_is_of_the_sign_and_known_only_where_the_interval_leaves_zero(
    ours: float | None,
    interval: tuple[float, float] | None,
    runs: int,
    paper: float | None,
    seeds: float | None,
    says: str,
) -> None:
    assert Point("silu", "clean", ours, interval, runs, paper, seeds).says == says
