"""Two models along one curve: the paired difference at each point."""

from collections.abc import Callable
from typing import Any

import pytest

from eval import curve
from eval.data import from_tensors
from eval.errors import UsageError
from eval.report.paired import Paired
from tests.eval.curves.conftest import EPS, Known

Make = Callable[[int], Known]


def test_two_curves_have_the_paired_difference_counted_by_hand(known: Make) -> None:
    a, b = known(0), known(7)
    both = from_tensors(a.x, a.y)
    mine = curve(a.model, both, eps=EPS, name="a")
    other = curve(b.model, both, eps=EPS, name="b")
    beside = mine.beside(other)
    n_open = 0
    for number, said in enumerate(beside.differences):
        eps = mine.series[0].points[number].at
        holds_a = a.stands(eps)
        holds_b = Known(b.model, b.weight, b.bias, a.x, a.y).stands(eps)
        pairs = list(zip(holds_a, holds_b, strict=True))
        by_hand = Paired(
            both=sum(x and y for x, y in pairs),
            only_a=sum(x and not y for x, y in pairs),
            only_b=sum(y and not x for x, y in pairs),
            neither=sum(not x and not y for x, y in pairs),
        )
        assert (said.both, said.only_a, said.only_b, said.neither) == tuple(vars(by_hand).values())
        assert said.difference == by_hand.difference
        assert said.ci95 == by_hand.interval()
        n_open += by_hand.only_a > 0
    assert n_open > 2


@pytest.mark.parametrize(
    "changed",
    [{"eps": "1/50"}, {"attack": "pgd-21"}, {"norm": "L2"}, {"seed": 1}, {"n": 39}],
    ids=str,
)
def test_curves_that_were_not_measured_alike_are_not_compared(
    known: Make, changed: dict[str, Any]
) -> None:
    case = known(0)
    words: dict[str, Any] = {"eps": "1/50,2/50", "check": False}
    mine = curve(case.model, case.images, **words)
    other = curve(case.model, case.images, **{**words, **changed})
    with pytest.raises(UsageError, match="the two curves differ in"):
        mine.beside(other)
    with pytest.raises(UsageError, match="two curves of one model each"):
        mine.beside(mine).beside(mine)
