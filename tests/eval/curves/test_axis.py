"""Points of a curve are what was written, or one sentence."""

import pytest

from eval.curves.axis import MOST_POINTS, eps_points, step_points
from eval.curves.plan import curve_plan, large_eps
from eval.errors import UsageError


@pytest.mark.parametrize(
    ("said", "points"),
    [
        ("1/255:4/255", ("1/255", "2/255", "3/255", "4/255")),
        ("2/255:8/255:2/255", ("2/255", "4/255", "6/255", "8/255")),
        ("1/16 : 3/16 : 1/16", ("1/16", "1/8", "3/16")),
        ("0.25:1:0.25", ("1/4", "0.5", "3/4", "1")),
        ("1/255, 2/255,8.0/255", ("1/255", "2/255", "8/255")),
        ("8/255", ("8/255",)),
        (8 / 255, ("8/255",)),
        ([1 / 255, "4/510", 0.5], ("1/255", "2/255", "0.5")),
    ],
)
def test_radii_are_read_exactly(said: object, points: tuple[str, ...]) -> None:
    assert eps_points(said) == points  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "points"),
    [
        ("1,2,5,10", (1, 2, 5, 10)),
        ("1:4", (1, 2, 3, 4)),
        ("5:20:5", (5, 10, 15, 20)),
        ([1, 20], (1, 20)),
        (7, (7,)),
    ],
)
def test_numbers_of_steps_are_read(said: object, points: tuple[int, ...]) -> None:
    assert step_points(said) == points  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "not a number"),
        ("foo", "not a number"),
        ("nan", "not a number"),
        ("1/255,,2/255", "not a number"),
        ("0", "leave it out"),
        ("0:8/255", "leave it out"),
        ("-1/255", "not positive"),
        ("4/255:1/255", "smaller end first"),
        ("1/255:4/255:0", "positive step"),
        ("1/255:4/255:-1/255", "positive step"),
        ("2/255,1/255", "from small to large"),
        ("1/255,1/255", "each once"),
        ("1/255,2/510", "each once"),
        ("1/16:3/16", "says no step"),
        ("1/255:4/255:2/255", "end it at 3/255"),
        ("1/255:4/255:1/255:1/255", "neither a list nor a range"),
        ("1/255:2/255,4/255", "neither a list nor a range"),
        ("1/9999:1:1/9999", "more than 100 points"),
        ("1," * 10**6, "more than 100 points"),
        ([], "no point"),
        ([0.1 + 1e-5], "near no short fraction"),
        ([True], "not a number"),
        (float("inf"), "not a number"),
    ],
)
def test_what_are_no_radii_is_one_sentence(said: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        eps_points(said)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("0", "leave it out"),
        ("1.5", "no number of steps"),
        ("x", "no number of steps"),
        ("5:1", "smaller end first"),
        ("1:1000000000", "more than 100 points"),
        ("99999999999999", "no number of steps"),
        ("2,1", "from small to large"),
        (True, "no number of steps"),
        (range(1, 200), "more than 100 points"),
    ],
)
def test_what_are_no_steps_is_one_sentence(said: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        step_points(said)  # type: ignore[arg-type]


def test_a_curve_has_at_most_so_many_points() -> None:
    assert len(eps_points("1/255:100/255")) == MOST_POINTS
    assert len(step_points("1:100")) == MOST_POINTS


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "needs points"),
        ({"eps": "1/255", "attack": "clean"}, "attacks nothing"),
        ({"eps": "1/255", "attack": "pgdd-3"}, "did you mean pgd"),
        ({"eps": "1/255:2/255", "steps": "1,2"}, "has one eps, and 2 are given"),
        ({"steps": "1,2"}, "has one eps, and none is given"),
        ({"eps": "1/255", "steps": "1,2", "attack": "pgd-20"}, "write `attack='pgd'`"),
        ({"eps": "1/255", "steps": "1,2", "attack": "autoattack"}, "no attack of so many steps"),
        ({"eps": "1/255", "steps": "1,2", "attack": "clean"}, "no attack of so many steps"),
        ({"eps": "1/255", "steps": "1,2", "attack": "pgd-sat", "step_size": "1/255"}, "step size"),
        ({"eps": "1/2:3/2:1/2"}, "above 1"),
        ({"eps": "1/255", "norm": "L7"}, "unknown norm"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    arguments: dict[str, str], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        curve_plan(**arguments)  # type: ignore[arg-type]


def test_every_number_of_steps_is_the_protocol_of_that_name() -> None:
    plan = curve_plan("8/255", "1,20", norm=2)
    assert [p.protocol.name for p in plan.points] == ["pgd-1", "pgd-20"]
    assert {(p.threat.norm, p.threat.eps_text) for p in plan.points} == {("L2", "8/255")}
    assert [p.name for p in curve_plan("1/255", "3,4", "pgd-sat").protocols] == [
        "pgd-sat-3@1",
        "pgd-sat-4@1",
    ]


@pytest.mark.parametrize("n_values", [1, 2, 64, 65, 784, 3072, 150528])
def test_a_ball_of_the_large_eps_holds_plain_grey(n_values: int) -> None:
    assert large_eps("Linf", n_values) == "0.5"
    assert (n_values / 4) ** 0.5 <= float(large_eps("L2", n_values)) < (n_values / 4) ** 0.5 + 1
