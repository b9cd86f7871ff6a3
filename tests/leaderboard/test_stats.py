import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.stats import Paired, group_beside, rank_groups, share_beside

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


def test_groups_overlap_their_best() -> None:
    #           best         overlaps it   overlaps only the second   apart
    intervals = [(0.70, 0.74), (0.68, 0.72), (0.66, 0.69), (0.10, 0.20)]
    assert rank_groups(intervals) == [1, 1, 2, 3]
    assert rank_groups([]) == []


@given(intervals=INTERVALS)
def test_groups_count_from_one_without_a_gap_and_their_bests_are_apart(
    intervals: list[tuple[float, float]],
) -> None:
    groups = rank_groups(intervals)
    assert sorted(set(groups)) == list(range(1, len(set(groups)) + 1))
    members = {g: [i for i, h in zip(intervals, groups, strict=True) if h == g] for g in groups}
    best = {g: max(of, key=sum) for g, of in members.items()}
    for group, of in members.items():
        assert all(high >= best[group][0] for _, high in of)
        assert all(best[group + 1][1] < best[group][0] for _ in [0] if group + 1 in best)


@given(intervals=INTERVALS, seed=st.randoms())
def test_groups_do_not_depend_on_the_order(
    intervals: list[tuple[float, float]],
    seed: "object",
) -> None:
    groups = dict(zip(intervals, rank_groups(intervals), strict=True))
    assert dict(zip(intervals[::-1], rank_groups(intervals[::-1]), strict=True)) == groups


@pytest.mark.parametrize(
    ("estimate", "group"),
    [
        ((0.80, 0.90), 1),  # above all
        ((0.72, 0.90), 1),  # overlaps the best
        ((0.68, 0.90), 2),  # and one of the second group
        ((0.10, 0.90), 3),  # and all
        ((0.40, 0.50), 3),  # between two groups: as far from the second as the third
        ((0.00, 0.05), 4),  # below all
    ],
)
def test_the_group_of_an_estimate(estimate: tuple[float, float], group: int) -> None:
    exact = [(0.70, 0.74), (0.68, 0.72), (0.66, 0.69), (0.10, 0.20)]
    assert rank_groups(exact) == [1, 1, 2, 3]
    assert group_beside(estimate, exact) == group


@given(exact=INTERVALS, estimate=st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)))
def test_no_estimate_is_in_a_better_group_than_an_exact_one_beside_it(
    exact: list[tuple[float, float]], estimate: tuple[float, float]
) -> None:
    groups = rank_groups(exact)
    group = group_beside(estimate, exact)
    assert 1 <= group <= max([0, *groups]) + 1
    shares = [(low + high) / 2 for low, high in exact]
    share = share_beside(0.5, estimate, list(zip(shares, exact, strict=True)))
    assert share <= 0.5
    for (low, high), other, at in zip(exact, groups, shares, strict=True):
        if low <= estimate[1] and estimate[0] <= high:
            assert group >= other
            assert share <= at
        elif low > estimate[1]:
            assert group >= other
