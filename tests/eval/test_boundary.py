import subprocess
import sys
from collections.abc import Sequence
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.attacks import build
from eval.boundary import KEPT, STANDING, STANDING_LATER, choose_boundary
from eval.estimate import ConfidenceSequence
from eval.protocols import protocol
from eval.threat import Threat


def costs_of(name: str) -> list[float]:
    """Passes of a survivor, by stage, of a model of ten classes searched in fp32."""
    found: list[float] = []
    for stage in protocol(name).stages:
        passes = build(stage, Threat("Linf", "8/255"), 10).most_passes()
        found.append(passes.forwards + 2 * passes.gradients)
    return found


STANDARD = costs_of("autoattack-standard")


def passes_by_walking(
    costs: Sequence[float], right: int, half_width: float, n: int, first: int
) -> float:
    """The expected passes of a boundary, outcome by outcome along the even path."""
    rates = [*STANDING, *[STANDING_LATER] * len(costs)][: len(costs)]
    on_all = sum(right * prod(rates[: i + 1]) * costs[i] for i in range(first))
    each = sum(prod(rates[first : i + 1]) * costs[i] for i in range(first, len(costs)))
    seen = ConfidenceSequence(round(right * prod(rates[:first])))
    rate = prod(rates[first:])
    wide = half_width * (KEPT if first < len(STANDING) else 1)
    while seen.high - seen.low > 2 * wide * n:
        seen.take(round((seen.m + 1) * rate) > seen.k)
    return on_all + each * seen.m


@pytest.mark.parametrize(
    ("half_width", "expected"),
    [(0.001, 2), (0.005, 2), (0.02, 1), (0.05, 1)],
)
@pytest.mark.parametrize("right", [6_667, 8_000, 9_500])
def test_loose_targets_take_the_early_boundary_and_tight_ones_the_late_one(
    right: int, half_width: float, expected: int
) -> None:
    assert choose_boundary(STANDARD, 10_000, right, half_width).n_on_all == expected


@pytest.mark.parametrize(("right", "expected"), [(6_667, 1), (7_000, 1), (8_000, 1), (9_500, 2)])
def test_between_the_two_the_number_of_right_images_decides(right: int, expected: int) -> None:
    """As in the table of docs/anytime.md: 7,000 right, 19 % of the passes early and 23 % late."""
    assert choose_boundary(STANDARD, 10_000, right, 0.01).n_on_all == expected


@pytest.mark.parametrize("name", ["pgd-50", "fgsm", "pgd-sat-50"])
def test_one_stage_runs_image_by_image(name: str) -> None:
    assert choose_boundary(costs_of(name), 10_000, 9_000, 0.01).n_on_all == 0


def test_without_a_stage_there_is_nothing_to_choose() -> None:
    assert choose_boundary([], 100, 90, 0.01).n_on_all == 0


@pytest.mark.parametrize("right", [0, 1, 2, 100])
def test_of_equal_costs_the_earlier_boundary_is_taken(right: int) -> None:
    assert choose_boundary([0.0, 0.0, 0.0], 100, right, 0.01).n_on_all == 0


def test_where_nothing_is_right_the_clean_pass_is_all() -> None:
    assert choose_boundary(STANDARD, 1_000, 0, 0.01).n_on_all == 0


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.floats(1.0, 1e4), min_size=1, max_size=6),
    n=st.integers(1, 600),
    share=st.floats(0, 1),
    half_width=st.floats(0.001, 0.3),
)
def test_no_other_boundary_is_much_cheaper_on_the_even_path(
    costs: list[float], n: int, share: float, half_width: float
) -> None:
    right = round(share * n)
    chosen = choose_boundary(costs, n, right, half_width).n_on_all
    assert 0 <= chosen < len(costs)
    walked = [passes_by_walking(costs, right, half_width, n, i) for i in range(len(costs))]
    # Rounding moves the moment of stopping by a few outcomes, each as dear as all stages at most.
    assert walked[chosen] <= 1.05 * min(walked) + 3 * sum(costs)


@given(n=st.integers(1, 50_000), scale=st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_unit_of_the_passes_does_not_matter(n: int, scale: float) -> None:
    scaled = [scale * cost for cost in STANDARD]
    assert choose_boundary(scaled, n, n, 0.01) == choose_boundary(STANDARD, n, n, 0.01)


@pytest.mark.parametrize("half_width", [0.0001, 0.005, 0.02])
def test_the_cost_hardly_grows_with_the_number_of_images(
    monkeypatch: pytest.MonkeyPatch, half_width: float
) -> None:
    n_calls = 0

    def spread(self: ConfidenceSequence, total: int) -> float:
        nonlocal n_calls
        n_calls += 1
        return original(self, total)

    original = ConfidenceSequence._spread
    monkeypatch.setattr(ConfidenceSequence, "_spread", spread)
    choose_boundary(STANDARD, 50_000, 45_000, half_width)
    assert n_calls < 4 * 17 * 2 * 17  # boundaries, halvings of m, both ends, halvings of K


def test_no_torch_is_imported() -> None:
    code = "import sys, eval.boundary; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
