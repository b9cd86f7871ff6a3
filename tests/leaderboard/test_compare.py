import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError, UsageError
from leaderboard.compare import compare, find_report

Make = Callable[..., Report]


def test_images_are_sorted_into_four_kinds(made: Make) -> None:
    a = made(["robust", "robust", "pgd-50", "clean"], labels=[0, 1, 1, 2], model="a")
    b = made(["robust", "pgd-50", "robust", "pgd-50"], labels=[0, 1, 1, 2], model="b")
    done = compare(a, b)
    kinds = (done.both, done.kept_by_a_only, done.kept_by_b_only, done.neither)
    assert kinds == (("0",), ("1",), ("2",), ("3",))
    assert (done.robust.difference, done.clean.difference) == (0, -0.25)
    assert (done.lost_by_b, done.lost_by_a) == ({"pgd-50": 1}, {"pgd-50": 1})
    assert [(row.label, row.n, row.a, row.b) for row in done.classes] == [
        (0, 1, 1, 1),
        (1, 2, 1, 1),
        (2, 1, 0, 0),
    ]
    assert done.notes == ()


def test_the_order_of_the_images_does_not_matter(made: Make) -> None:
    a = made(["robust", "pgd-50"], ids=["x", "y"], labels=[0, 1])
    b = made(["robust", "pgd-50"], ids=["y", "x"], labels=[1, 0])
    assert compare(a, b).kept_by_a_only == ("x",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": "4/255"}, "A is about Linf eps 8/255 and B about Linf eps 4/255: only reports"),
        ({"norm": "L2"}, "A is about Linf eps 8/255 and B about L2 eps 8/255: only reports"),
        (
            {"ids": ["0", "1", "2", "9"]},
            "not about the same images: 1 ids are in A only and 1 in B",
        ),
        ({"data": "other"}, "A is about toy (test) and B about other (test): only reports"),
        ({"labels": [0, 0, 0, 5]}, "A gives image '3' the label 0 and B 5: their classes"),
    ],
)
def test_reports_about_different_things_are_refused(
    made: Make, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(message)):
        compare(made(), made(**change))


def test_equal_radii_in_other_words_can_be_compared(made: Make) -> None:
    assert compare(made(), made(eps="16/510")).robust.difference == 0


def test_what_else_differs_is_noted(made: Make) -> None:
    other = made(["robust"] * 4, protocol="pgd-20", seed=3, flags=[("zero-gradient", "x")])
    assert compare(made(), other).notes == (
        "the attacks differ (pgd-50 and pgd-20), so the difference is not of the models alone",
        "not comparable: the hyper-parameters differ, A being there: stage pgd-50 there, none here;"
        " stage pgd-20 here, none there",
        "the seeds differ (0 and 3)",
        "B is flagged: zero-gradient",
    )


def test_the_digits_pair_can_be_compared_by_name() -> None:
    a, b = (find_report(f"resnet8-{one}-digits.autoattack") for one in ("silu-sat", "relu-at"))
    done = compare(a, b)
    told = json.loads(json.dumps(done.to_dict()))
    assert told["n"] == 360
    assert len(told["kept_by_a_only"]) - len(told["kept_by_b_only"]) == a.robust.correct - (
        b.robust.correct
    )
    low, high = told["robust"]["ci95"]
    assert low < told["robust"]["difference"] < high
    assert sum(row["n"] for row in told["classes"]) == 360
    assert sum(told["lost_by_b"].values()) == len(told["kept_by_a_only"])


def test_a_report_that_is_nowhere_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean .*resnet8-silu-sat-digits\.autoattack"):
        find_report("resnet8-silu-sat-digits.autoatack")
    with pytest.raises(UsageError, match="result of the package: name a file, or one of"):
        find_report("%")


@pytest.mark.parametrize("name", ["%", "zz/zz.json", "-", "é"])
def test_no_list_of_python_is_printed_for_a_report_that_is_nowhere(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_report(name)
    said = str(caught.value)
    assert "[" not in said
    assert len(said) < 300
