"""Norms, radii and whole numbers in every type that people have them in, at every door."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from eval import Threat, attack, curve, evaluate
from eval.curves.axis import eps_points, step_points
from eval.data import ImageSet
from eval.errors import UsageError

LINF = [
    "Linf", "linf", "L_inf", "LINF", "inf", "∞", " Linf ", "Infinity", float("inf"), np.inf,
    np.float32("inf"), torch.tensor(float("inf")), Decimal("Infinity"),
]  # fmt: skip
L2 = ["L2", "l2", "l_2", "2", 2, 2.0, np.int64(2), np.float32(2), torch.tensor(2), Fraction(2)]
NO_NORM = [
    "L1", 1, 0, "", "Linfinite", -np.inf, np.nan, 2.5, True, None, [2], torch.tensor([2.0, 2.0]),
    "the largest change of any pixel, as everybody knows",
]  # fmt: skip

EPS = [
    "8/255", " 8 / 255 ", 8 / 255, np.float32(8 / 255), np.float64(8 / 255), Fraction(8, 255),
    Fraction(8 / 255), Decimal(8) / 255, Decimal("0.031372549"), torch.tensor(8 / 255),
    torch.tensor([8 / 255]), torch.tensor(8 / 255, requires_grad=True), np.array(8 / 255),
]  # fmt: skip
NO_EPS = [
    (8, "eps '8' is above 1, .*did you mean 8/255?"),
    (np.int64(8), "did you mean 8/255?"),
    (0, "eps '0' is not positive"),
    (-1 / 255, "not positive"),
    (True, "eps True is not a number"),
    (None, "eps None is not a number"),
    ([8 / 255], "is not a number"),
    (np.array([1 / 255, 2 / 255]), "eps holds 2 numbers, and one is needed"),
    (torch.zeros(3), "eps holds 3 numbers, and one is needed"),
    (float("nan"), "eps nan is not a number that can be"),
    (Decimal("NaN"), "is not a number"),
    (8j, "is not a number"),
    (0.0313, "is near no short fraction"),
]

DOORS: dict[str, Callable[..., Any]] = {
    "evaluate": lambda net, data, **kind: evaluate(net, data, attack="fgsm", n=2, **kind).threat,
    "attack": lambda net, data, **kind: attack(net, *data.tensors(2), "fgsm", **kind),
    "curve": lambda net, data, **kind: curve(net, data, attack="fgsm", n=2, check=False, **kind),
    "zoo.evaluate": lambda net, data, **kind: (
        zoo.evaluate(net, images=data.take(2), attack="fgsm", journal=None, **kind).threat
    ),
    "zoo.curve": lambda net, data, **kind: zoo.curve(
        net, images=data.take(2), attack="fgsm", check=False, journal=None, **kind
    ),
}


@pytest.mark.parametrize("norm", LINF, ids=repr)
@pytest.mark.parametrize("eps", EPS[:3], ids=repr)
def test_every_name_of_linf_is_linf(norm: Any, eps: Any) -> None:
    assert Threat.of(norm, eps) == Threat("Linf", "8/255")


@pytest.mark.parametrize("norm", L2, ids=repr)
def test_every_name_of_l2_is_l2(norm: Any) -> None:
    assert Threat.of(norm, 0.5) == Threat("L2", "0.5")


@pytest.mark.parametrize("norm", NO_NORM, ids=repr)
def test_other_norms_are_refused_in_one_sentence(norm: Any) -> None:
    with pytest.raises(UsageError, match=r"norm .*(Linf|L2)") as raised:
        Threat.of(norm, "8/255")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("eps", EPS, ids=repr)
def test_one_radius_has_one_text_whatever_type_it_has(eps: Any) -> None:
    assert Threat.of("Linf", eps).eps_text == "8/255"


@pytest.mark.parametrize(("eps", "message"), NO_EPS, ids=repr)
def test_other_radii_are_refused_in_one_sentence(eps: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Threat.of("Linf", eps)


@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_numbers_of_other_libraries(
    door: str, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    options = {"eps": torch.tensor(1 / 255), "norm": np.float64("inf"), "seed": np.int64(3)}
    options |= {"batch_size": np.int32(2), "device": torch.device("cpu")}
    found = DOORS[door](tiny_net, tiny_data, **options)
    if "evaluate" in door:
        assert (found.norm, found.eps_text) == ("Linf", "1/255")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"seed": 1.5}, "`seed` 1.5 is no whole number: give for example 0"),
        ({"seed": "0"}, "`seed` '0' is no whole number"),
        ({"batch_size": 2.0}, "`batch_size` 2.0 is no whole number: give for example 128"),
        ({"batch_size": True}, "`batch_size` True is no whole number"),
        ({"norm": "L3"}, "norm"),
        ({"eps": torch.zeros(2, 2)}, "eps"),
    ],
)
def test_every_door_refuses_what_is_no_number(
    door: str, option: dict[str, Any], message: str, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(UsageError, match=message):
        DOORS[door](tiny_net, tiny_data, **{"eps": "1/255", "norm": "Linf", **option})


@pytest.mark.parametrize(
    "said",
    [
        [1 / 255, 2 / 255],
        (Fraction(1, 255), "2/255"),
        np.array([1, 2]) / 255,
        np.array([1, 2], np.float32) / 255,
        torch.tensor([1, 2]) / 255,
        "1/255:2/255",
    ],
    ids=repr,
)
def test_the_points_of_a_curve_may_be_an_array(said: Any) -> None:
    assert eps_points(said) == ("1/255", "2/255")


@pytest.mark.parametrize(
    "said", [range(1, 3), [1, 2], np.arange(1, 3), torch.arange(1, 3), [np.int64(1), 2.0], "1:2"]
)
def test_the_steps_of_a_curve_may_be_an_array(said: Any) -> None:
    assert step_points(said) == (1, 2)
