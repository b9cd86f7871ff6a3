import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from eval.intervals import Z95
from leaderboard.stats import Paired, RankRange, _spread, rank_beside, ranks, share_beside

COUNTS = st.tuples(*[st.integers(0, 400)] * 4).filter(any)
INTERVALS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda pair: (min(pair), max(pair))),
    max_size=30,
)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, p. 2635, worked example of method 10.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        # Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables 2017, chapter 8:
        # airway hyper-responsiveness, and response before and after consolidation therapy.
        ((1, 1, 7, 12), -0.507, -0.026),
        ((59, 6, 16, 80), -0.1186, -0.0046),
    ],
)
def test_paired_interval_agrees_with_published_ones(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert Paired(*counts).interval() == pytest.approx((low, high), abs=5e-4)


@given(counts=COUNTS)
def test_paired_interval_holds_the_difference_and_mirrors(
    counts: tuple[int, int, int, int],
) -> None:
    both, a, b, neither = counts
    low, high = Paired(*counts).interval()
    assert -1 <= low <= high <= 1
    assert low - 1e-12 <= Paired(*counts).difference <= high + 1e-12
    assert Paired(both, b, a, neither).interval() == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        # Two media for the tubercle bacillus, Armitage & Berry 1994, p. 127, exact test.
        (12, 2, 0.0129),
        # By hand: 2 (1 + 5) / 2^5 and 2 / 2^5.
        (1, 4, 0.375),
        (0, 5, 0.0625),
        (0, 0, 1.0),
        (3, 3, 1.0),
    ],
)
def test_exact_mcnemar_agrees_with_published_and_counted_values(
    only_a: int, only_b: int, p: float
) -> None:
    assert Paired(20, only_a, only_b, 16).p_value() == pytest.approx(p, abs=5e-5)
    assert Paired(7, only_b, only_a, 0).p_value() == pytest.approx(p, abs=5e-5)


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_pairs_are_counted(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    paired = Paired.of(a, b)
    assert paired.n == len(pairs)
    assert paired.difference == pytest.approx((sum(a) - sum(b)) / len(pairs))


def by_hand(counted: list[tuple[float, int]]) -> list[RankRange]:
    """As `ranks`, with scipy's intervals and one comparison after another."""
    level = 1 - 0.05 / max(len(counted) - 1, 1)
    spreads = []
    for share, n in counted:
        k = round(share * n)
        found = binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
        spreads.append((k / n, found.low, found.high))

    def above(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
        p, q = one[0], other[0]
        low = (p - q) - math.sqrt((p - one[1]) ** 2 + (other[2] - q) ** 2)
        return low > 0

    return [
        RankRange(
            1 + sum(above(other, one) for other in spreads),
            len(spreads) - sum(above(one, other) for other in spreads),
        )
        for one in spreads
    ]


@given(counted=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([9, 100, 10_000])), max_size=12))
def test_ranks_agree_with_every_comparison_made_by_hand(counted: list[tuple[float, int]]) -> None:
    found = ranks(counted)
    assert found == by_hand(counted)
    assert all(1 <= it.first <= it.last <= len(counted) for it in found)
    # What is higher, of as many images, has no worse rank.
    for (share, n), rank in zip(counted, found, strict=True):
        for (other, m), its in zip(counted, found, strict=True):
            if n == m and share > other:
                assert (rank.first, rank.last) <= (its.first, its.last)


def test_one_alone_is_the_first_and_two_far_apart_have_a_rank_each() -> None:
    assert ranks([]) == []
    assert ranks([(0.5, 10)]) == [RankRange(1, 1)]
    assert ranks([(0.2, 1000), (0.8, 1000)]) == [RankRange(2, 2), RankRange(1, 1)]
    assert [str(it) for it in ranks([(0.5, 10), (0.51, 10)])] == ["1-2", "1-2"]


def test_neighbours_that_chance_explains_share_their_ranks() -> None:
    """0.02 points apart of 10,000 images: no rule may part these two."""
    shares = [0.7069, 0.7067, 0.6, 0.5998, 0.1]
    found = ranks([(share, 10_000) for share in shares])
    assert found == [RankRange(1, 2)] * 2 + [RankRange(3, 4)] * 2 + [RankRange(5, 5)]


def test_the_interval_of_a_difference_agrees_with_a_published_one() -> None:
    """Newcombe 1998, p. 873, example (a), method 10: 56/70 and 48/80 give 0.0524 to 0.3339."""
    one, other = _spread(56 / 70, 70, Z95), _spread(48 / 80, 80, Z95)
    below = math.hypot(one.share - one.low, other.high - other.share)
    above = math.hypot(one.high - one.share, other.share - other.low)
    difference = one.share - other.share
    assert (difference - below, difference + above) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert one.is_above(other)
    assert not other.is_above(one)


@pytest.mark.parametrize(
    ("estimate", "rank"),
    [
        ((0.80, 0.90), RankRange(1, 1)),
        ((0.40, 0.90), RankRange(1, 4)),  # cannot be told from any but the last
        ((0.60, 0.70), RankRange(2, 3)),
        ((0.00, 0.01), RankRange(5, 5)),
    ],
)
def test_the_ranks_of_an_estimate(estimate: tuple[float, float], rank: RankRange) -> None:
    exact = [(0.72, 10_000), (0.65, 10_000), (0.50, 10_000), (0.1, 10_000)]
    assert rank_beside(sum(estimate) / 2, estimate, exact) == rank


@given(exact=INTERVALS, estimate=st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)))
def test_an_estimate_is_put_no_higher_than_an_exact_one_beside_it(
    exact: list[tuple[float, float]], estimate: tuple[float, float]
) -> None:
    shares = [(low + high) / 2 for low, high in exact]
    share = share_beside(0.5, estimate, list(zip(shares, exact, strict=True)))
    assert share <= 0.5
    for (low, high), at in zip(exact, shares, strict=True):
        if low <= estimate[1] and estimate[0] <= high:
            assert share <= at
