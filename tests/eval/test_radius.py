"""One number, one text: however eps is written, the ball and its name are the same."""

import contextlib
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eval import evaluate
from eval.data import ImageSet
from eval.errors import UsageError
from eval.protocols import protocol
from eval.radius import MAX_TEXT, exact, parse, text_of
from eval.threat import Threat
from leaderboard.places import same_eps


@given(k=st.integers(1, 255))
def test_every_float_of_a_grey_level_is_its_fraction(k: int) -> None:
    wanted = Threat("Linf", f"{k}/255")
    for said in (k / 255, np.float64(k / 255), np.float32(k / 255), torch.tensor(k / 255)):
        assert Threat.of("Linf", said) == wanted
    assert wanted.eps_text == (f"{k}/255" if k < 255 else "1")


@given(below=st.integers(1, 250), above=st.integers(1, 250))
def test_every_short_fraction_is_found_again_from_its_float(below: int, above: int) -> None:
    number = Fraction(above, below)
    threat = Threat.of("L2", above / below)
    assert threat == Threat("L2", str(number)) == Threat("L2", f"{3 * above} / {3 * below}")
    assert parse(threat.eps_text) == number
    assert threat.eps == float(number)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=50, max_denominator=10**6))
def test_the_text_of_a_number_is_read_as_that_number(number: Fraction) -> None:
    assert exact(text_of(number), "eps", "8/255") == number


@given(st.fractions(min_value=Fraction(1, 1000), max_value=50, max_denominator=1000))
def test_the_leaderboard_has_one_board_for_every_spelling(number: Fraction) -> None:
    board = same_eps(str(number))
    assert same_eps(Threat.of("L2", float(number)).eps_text) == board
    assert same_eps(Threat("L2", str(number)).eps_text) == board


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("8.0/255", "8/255"),
        ("8 / 255.0", "8/255"),
        ("16/510", "8/255"),
        ("0.50", "0.5"),
        ("5e-1", "0.5"),
        (0.5, "0.5"),
        (0.031, "0.031"),
        ("0.0314", "0.0314"),
        (3 / 16, "3/16"),
        (2, "2"),
        (1.0, "1"),
        (Decimal("0.25"), "1/4"),
        (Fraction(4, 255), "4/255"),
    ],
)
def test_spellings(said: float, text: str) -> None:
    assert Threat.of("L2", said).eps_text == text


@pytest.mark.parametrize("eps", [8 / 255, "8.0/255", np.float32(8 / 255), Fraction(8, 255)])
def test_a_report_has_the_same_threat_whatever_type_eps_had(
    tiny_net: nn.Module, tiny_data: ImageSet, eps: float
) -> None:
    report, text = (
        evaluate(tiny_net, tiny_data, attack="pgd-1", n=8, eps=one, norm=norm)
        for one, norm in ((eps, float("inf")), ("8/255", "Linf"))
    )
    assert report.threat == text.threat
    assert report.threat.eps_text == "8/255"
    assert report.images == text.images


@pytest.mark.parametrize("norm", [2, 2.0, "2", "l2", "L_2", np.float32(2)])
def test_a_norm_may_be_a_number(norm: float) -> None:
    assert Threat.of(norm, "1/2").norm == "L2"


@pytest.mark.parametrize("norm", [float("inf"), np.inf, "inf", "LINF", "l_inf"])
def test_the_largest_change_may_be_called_inf(norm: float) -> None:
    assert Threat.of(norm, "1/2").norm == "Linf"


@pytest.mark.parametrize("norm", [1, "L1", True, "", float("nan")])
def test_another_norm_is_refused(norm: float) -> None:
    with pytest.raises(UsageError, match="unknown norm"):
        Threat.of(norm, "1/2")


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        (0.0314, r'eps 0\.0314 is near no short fraction.* write "8/255", .* text, "0\.0314"'),
        (0.03137, 'write "8/255"'),
        (np.float16(8 / 255), 'write "8/255"'),
        (float(np.float32(8 / 255)), 'write "8/255"'),
        (1e-12, "near no short fraction"),
        (float("nan"), "eps nan is not a number"),
        (float("inf"), "eps inf is not a number"),
        (True, "eps True is not a number"),
        (None, "eps None is not a number"),
        (-0.5, "is not positive"),
        (8.0, r"did you mean 8/255\?"),
    ],
)
def test_a_float_that_nobody_can_name_is_refused_with_what_to_write(
    eps: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Threat.of("Linf", eps)


@pytest.mark.parametrize(
    "text", ["1e-3000000000", "1/1e3000000000", "9" * 10**6, "1e-100", "1/2/3", "1_0/255", "0x8"]
)
def test_a_text_that_asks_for_a_huge_number_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    for say in (lambda: Threat("L2", text), lambda: Threat.of("L2", text)):
        with pytest.raises(UsageError, match="is not a number") as caught:
            say()
        assert len(str(caught.value)) < 200
    with pytest.raises(UsageError, match="is not a positive number"):
        protocol("pgd-5", step_size=text)
    assert time.perf_counter() - started < 20  # hours, were the number written out


@given(st.text(max_size=MAX_TEXT + 5))
def test_any_text_is_a_number_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert Threat("L2", text) == Threat("L2", Threat("L2", text).eps_text)


def test_a_step_size_may_be_a_float_too() -> None:
    assert protocol("pgd-5", step_size=2 / 255) == protocol("pgd-5", step_size="2/255")
