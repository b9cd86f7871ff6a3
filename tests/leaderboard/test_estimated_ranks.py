"""How rows are ranked and ordered where some of their numbers are of runs that ended early."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.numbers import Estimated, Measured
from leaderboard.ranking import in_order, ranked, ranked_by
from leaderboard.rows import BoardRow
from leaderboard.stats import RankRange


def measured(low: float, high: float, *, estimated: bool = False, share: float = 0.5) -> Measured:
    """An estimate with this interval; or an exact number, whose interval 400 images give."""
    accuracy, n = low + share * (high - low), 400
    early = Estimated(3, (low, high), (low, high)) if estimated else None
    if not early:
        accuracy = round(n * accuracy) / n
    correct = None if early else round(n * accuracy)
    return Measured(accuracy, n=n, correct=correct, report_path=Path("r.json"), estimated=early)


def board_rows(numbers: list[Measured]) -> list[BoardRow]:
    return [
        BoardRow(str(i), str(i), str(i), robust={"autoattack-standard@1": found})
        for i, found in enumerate(numbers)
    ]


NUMBERS = st.lists(
    st.builds(
        lambda ends, estimated, share: measured(
            min(ends) / 20, max(ends) / 20, estimated=estimated, share=share
        ),
        st.tuples(st.integers(0, 20), st.integers(0, 20)),
        st.booleans(),
        st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    ),
    max_size=12,
)


@given(numbers=NUMBERS)
def test_an_estimate_is_never_above_an_exact_number_that_it_overlaps(
    numbers: list[Measured],
) -> None:
    rows = ranked(board_rows(numbers), "AutoAttack")
    placed = {row.key: i for i, row in enumerate(in_order(rows, "AutoAttack", None))}
    for row, one in zip(rows, numbers, strict=True):
        for other, two in zip(rows, numbers, strict=True):
            if one.estimated and not two.estimated and one.low <= two.high and two.low <= one.high:
                assert placed[row.key] > placed[other.key]


@given(numbers=NUMBERS)
def test_estimates_change_no_rank_and_no_order_of_exact_numbers(numbers: list[Measured]) -> None:
    exact = [found for found in numbers if not found.estimated]
    alone, beside = board_rows(exact), board_rows(numbers)
    assert ranked_by(beside) == ("AutoAttack" if numbers else None)
    ranks = [row.rank for row in ranked(alone, "AutoAttack")]
    among = ranked(beside, "AutoAttack")
    assert [
        row.rank for row, found in zip(among, numbers, strict=True) if not found.estimated
    ] == ranks

    def order(rows: list[BoardRow]) -> list[float]:
        found = [row.robust["autoattack-standard@1"] for row in in_order(rows, "AutoAttack", None)]
        return [it.accuracy for it in found if not it.estimated]

    assert order(beside) == order(alone)


def test_an_estimate_of_another_attack_does_not_take_the_ranks_away() -> None:
    exact = {"pgd-50": measured(0.5, 0.6)}
    rows = [
        BoardRow("a", "a", "a", robust=exact),
        BoardRow("b", "b", "b", robust={"autoattack": measured(0.1, 0.9, estimated=True)}),
        BoardRow("c", "c", "c", robust={"autoattack": measured(0.2, 0.9, estimated=True)}),
    ]
    assert ranked_by(rows) == "PGD-50"
    assert ranked_by(rows[1:]) == "AutoAttack"


def test_of_a_row_s_numbers_of_one_attack_the_exact_one_ranks_it() -> None:
    numbers = {
        "autoattack-standard@1": measured(0.8, 0.9, estimated=True),
        "autoattack-standard@1 reference": measured(0.5, 0.6),
    }
    (row,) = ranked([BoardRow("a", "a", "a", robust=numbers)], "AutoAttack")
    assert row.rank == RankRange(1, 1)


@pytest.mark.parametrize(
    ("most", "best"), [(0.4, "autoattack-standard@1"), (0.55, "pgd-50"), (0.8, "pgd-50")]
)
def test_a_weaker_attack_hides_no_estimate_of_which_nothing_reaches_its_number(
    most: float, best: str
) -> None:
    weak = measured(0.5, 0.6)
    assert weak.accuracy == 0.55
    early = measured(0.3, most, estimated=True)
    row = BoardRow("a", "a", "a", robust={"pgd-50": weak, "autoattack-standard@1": early})
    exact = BoardRow("b", "b", "b", robust={"autoattack-standard@1": measured(0.3, 0.4)})
    assert row.best is not None
    assert row.best.column.key == best
    placed = in_order(ranked([row, exact], "AutoAttack"), "AutoAttack", None)
    assert [it.key for it in placed] == (["b", "a"] if row.best.is_estimated else ["a", "b"])
