import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import comb, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.estimate import (
    ERROR,
    PRIOR,
    ConfidenceSequence,
    Estimate,
    Tally,
    before_the_draw,
    drawn_order,
)

Paths = st.lists(st.booleans(), max_size=60)


def walk(outcomes: Sequence[bool]) -> list[tuple[int, int]]:
    """(low, high) after each of the outcomes, the first of none."""
    seen = ConfidenceSequence(len(outcomes))
    found = [(seen.low, seen.high)]
    for stands in outcomes:
        seen.take(stands)
        found.append((seen.low, seen.high))
    return found


def after(m: int) -> Callable[[Estimate], bool]:
    """Whether m outcomes were taken."""
    return lambda now: now.m == m


def beta(a: int, b: int) -> Fraction:
    return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))


def beta_binomial(total: int, n: int, a: int, b: int) -> Fraction:
    if not 0 <= total <= n:
        return Fraction(0)
    return comb(n, total) * beta(a + total, b + n - total) / beta(a, b)


def exact_set(size: int, m: int, k: int) -> set[int]:
    """C_m from its definition: every K whose prior is less than 20 times its posterior."""
    a, b = (int(parameter) for parameter in PRIOR)
    return {
        total
        for total in range(size + 1)
        if beta_binomial(total, size, a, b) * Fraction(1, 20)
        < beta_binomial(total - k, size - m, a + k, b + m - k)
    }


def exact_walk(outcomes: Sequence[bool]) -> list[set[int]]:
    """The running intersection, or C_m alone where it is empty."""
    size, running = len(outcomes), set(range(len(outcomes) + 1))
    found = [running]
    for m in range(1, size + 1):
        now = exact_set(size, m, sum(outcomes[:m]))
        running = running & now or now
        found.append(running)
    return found


def as_ends(totals: set[int]) -> tuple[int, int]:
    """Smallest and largest, of a set that has no gap."""
    assert totals == set(range(min(totals), max(totals) + 1))
    return min(totals), max(totals)


def test_the_error_of_the_oracle_is_the_error_of_the_code() -> None:
    assert (ERROR, PRIOR) == (0.05, (18.0, 2.0))


@pytest.mark.parametrize("size", range(8))
def test_every_path_of_few_items_gives_the_interval_of_the_definition(size: int) -> None:
    for outcomes in product([False, True], repeat=size):
        assert walk(outcomes) == [as_ends(totals) for totals in exact_walk(outcomes)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("size", [20, 45])
def test_long_paths_give_the_interval_of_the_definition(size: int, share: float) -> None:
    draw = random.Random(f"{size} {share}")
    outcomes = [draw.random() < share for _ in range(size)]
    assert walk(outcomes) == [as_ends(totals) for totals in exact_walk(outcomes)]


@pytest.mark.parametrize("n_standing", [25, 35, 40])
@pytest.mark.parametrize("is_first", [True, False])
def test_where_the_intersection_is_empty_the_last_set_alone_is_taken(
    n_standing: int, is_first: bool
) -> None:
    """No random order is like this: all that stand come together."""
    outcomes = sorted([True] * n_standing + [False] * (45 - n_standing), reverse=is_first)
    sets = exact_walk(outcomes)
    assert any(not later <= earlier for earlier, later in pairwise(sets))
    assert walk(outcomes) == [as_ends(totals) for totals in sets]


@given(Paths)
def test_what_is_proven_is_never_excluded(outcomes: list[bool]) -> None:
    for m, (low, high) in enumerate(walk(outcomes)):
        k = sum(outcomes[:m])
        assert k <= low <= high <= len(outcomes) - (m - k)


@given(Paths)
def test_at_the_end_the_interval_is_the_number(outcomes: list[bool]) -> None:
    assert walk(outcomes)[-1] == (sum(outcomes), sum(outcomes))


@given(Paths)
def test_a_smaller_error_gives_a_wider_interval(outcomes: list[bool]) -> None:
    narrow, wide = (ConfidenceSequence(len(outcomes), error=error) for error in (0.05, 0.025))
    inside = set(range(len(outcomes) + 1))
    for stands in outcomes:
        narrow.take(stands)
        wide.take(stands)
        inside &= set(range(narrow.low, narrow.high + 1))
        if inside:  # until some interval was wrong
            assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_without_survivors_all_is_known() -> None:
    tally = Tally([], n=10)
    assert tally.estimate.is_exact
    assert tally.estimate.interval == (0.0, 0.0)


@pytest.mark.parametrize("stands", [True, False])
def test_of_one_survivor_nothing_is_known_and_then_all(stands: bool) -> None:
    assert walk([stands]) == [(0, 1), (int(stands), int(stands))]


@pytest.mark.parametrize("size", [0, 1, 5])
def test_more_outcomes_than_items_are_refused(size: int) -> None:
    seen = ConfidenceSequence(size)
    for _ in range(size):
        seen.take(True)
    with pytest.raises(ValueError, match=f"all {size} outcomes were taken"):
        seen.take(True)


@pytest.mark.parametrize("size", [1_000, 10_000, 50_000])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.93, 1.0])
def test_an_outcome_costs_three_evaluations_on_average(
    monkeypatch: pytest.MonkeyPatch, size: int, share: float
) -> None:
    n_calls = 0

    def spread(self: ConfidenceSequence, total: int) -> float:
        nonlocal n_calls
        n_calls += 1
        return original(self, total)

    original = ConfidenceSequence._spread
    monkeypatch.setattr(ConfidenceSequence, "_spread", spread)
    n_standing = round(share * size)
    outcomes = [True] * n_standing + [False] * (size - n_standing)
    random.Random(size).shuffle(outcomes)
    walk(outcomes)
    # Both ends are looked at for each outcome, and each of the totals leaves once.
    assert n_calls <= 3 * size


@given(outcomes=Paths, seed=st.integers(0, 2**32), until=st.integers(0, 120))
def test_where_a_tally_stops_does_not_depend_on_how_much_was_known_at_once(
    outcomes: list[bool], seed: int, until: int
) -> None:
    def is_enough(now: Estimate) -> bool:
        return now.high - now.low <= until

    order = list(range(len(outcomes)))
    random.Random(seed).shuffle(order)
    at_once, bit_by_bit = Tally(order, n=100), Tally(order, n=100)
    was_enough = at_once.advance(outcomes.__getitem__, is_enough)
    known: dict[int, bool] = {}
    told = list(order)
    random.Random(seed + 1).shuffle(told)
    stopped = bit_by_bit.advance(known.get, is_enough)
    for one in told:
        known[one] = outcomes[one]
        stopped = bit_by_bit.advance(known.get, is_enough)
    assert stopped == was_enough
    assert bit_by_bit.trace == at_once.trace
    assert bit_by_bit.estimate == at_once.estimate
    widths = [high - low for _, low, high in at_once.trace]
    assert all(width > until for width in widths[:-1])
    assert was_enough == (widths[-1] <= until)


def test_a_tally_waits_for_what_was_drawn_first() -> None:
    tally = Tally([3, 1, 2], n=3)
    assert not tally.advance({1: False, 2: True}.get)
    assert (tally.estimate.m, tally.estimate.right, list(tally.settled)) == (0, 3, [])
    assert not tally.advance({1: False, 3: True}.get)
    assert (tally.estimate.m, tally.estimate.k, list(tally.settled)) == (2, 1, [3, 1])
    assert not tally.advance({1: False, 2: True, 3: True}.get)
    assert tally.estimate.is_exact
    assert tally.trace == [(0, 0, 3), (1, 1, 3), (2, 1, 2), (3, 2, 2)]


@given(outcomes=Paths, n_others=st.integers(1, 50))
def test_an_estimate_says_the_same_in_all_its_fields(outcomes: list[bool], n_others: int) -> None:
    n = len(outcomes) + n_others
    tally = Tally(list(range(len(outcomes))), n=n)
    for m in range(1, len(outcomes) + 1):
        tally.advance(outcomes[:m].__getitem__, after(m))
        now = tally.estimate
        low, high = now.interval
        assert 0 <= low <= now.accuracy <= high <= now.right / n <= 1
        assert now.half_width == pytest.approx((high - low) / 2)
        assert now.is_exact == (m == len(outcomes))
        assert now.right == len(outcomes) - outcomes[:m].count(False)
        assert now.population[0] <= now.wide[0] / n <= now.wide[1] / n <= now.population[1]
    if outcomes:
        assert tally.estimate.accuracy == sum(outcomes) / n


@pytest.mark.parametrize(
    ("n", "right", "robust"), [(1, 0, 0), (1, 1, 0), (100, 70, 20), (50_000, 50_000, 0)]
)
def test_where_nothing_is_drawn_all_that_is_not_proven_may_stand_or_fall(
    n: int, right: int, robust: int
) -> None:
    now = before_the_draw(n, right, robust)
    assert now.interval == (robust / n, right / n)
    assert now.accuracy == pytest.approx((right + robust) / n / 2)
    assert not now.is_exact
    assert now.population[0] <= robust / n
    assert now.population[1] >= right / n


@given(st.sets(st.text(max_size=8), max_size=30), st.integers(-(2**40), 2**40), st.randoms())
def test_the_order_depends_on_seed_and_ids_alone(
    ids: set[str], seed: int, shuffler: random.Random
) -> None:
    one = sorted(ids)
    other = list(one)
    shuffler.shuffle(other)
    drawn = [one[place] for place in drawn_order(one, seed)]
    assert sorted(drawn) == one
    assert drawn == [other[place] for place in drawn_order(other, seed)]


@given(st.sets(st.text(max_size=8), max_size=30), st.integers(0, 2**40))
def test_who_else_was_drawn_does_not_change_the_order_of_two(ids: set[str], seed: int) -> None:
    every = sorted(ids)
    some = every[::2]
    drawn = [every[place] for place in drawn_order(every, seed)]
    assert [one for one in drawn if one in some] == [some[i] for i in drawn_order(some, seed)]


def test_the_order_is_the_same_in_every_version() -> None:
    """A golden value: another would break journals that are gone on with."""
    assert drawn_order([str(i) for i in range(10)], seed=0) == GOLDEN
    assert drawn_order([str(i) for i in range(10)], seed=1) != GOLDEN


GOLDEN = [2, 3, 8, 1, 6, 5, 7, 0, 4, 9]
