"""Numbers as people type them, wherever an eps or a step is read."""

import pytest

from eval.curves.axis import eps_points
from eval.errors import UsageError
from eval.protocols import protocol
from eval.stage import step_in_pixels
from eval.threat import Threat

SAME = ["8/255", "8.0/255", "8./255", " 8 / 255 ", "8 /255.0", "+8/255", "80e-1/255", "16/510"]
ANOTHER = [("8.5/255", 8.5 / 255), ("1e-2", 0.01), (".03", 0.03), ("1E-2", 0.01), ("3./100", 0.03)]
REFUSED = ["1 6/255", "16/25 5", "1e -2", ". 03", "8/-255", "-8/-255", "8/255/2", "0x8/255"]
REFUSED += ["8,0/255", "8:255", "eps", "nan", "1_0/255", "8/", "/255", "", " ", "8/255 px"]


@pytest.mark.parametrize("text", SAME)
def test_eight_255ths_are_the_same_float_however_they_are_written(text: str) -> None:
    assert Threat("Linf", text).eps == 8 / 255
    assert Threat("Linf", text).eps_text == "8/255"
    assert eps_points(text) == eps_points([text]) == ("8/255",)
    (stage,) = protocol("pgd-2", step_size=text).stages
    assert step_in_pixels(stage, 0.5) == 8 / 255


@pytest.mark.parametrize(("text", "value"), ANOTHER)
def test_decimals_and_powers_of_ten_are_numbers(text: str, value: float) -> None:
    assert Threat("Linf", text).eps == pytest.approx(value, rel=1e-15)
    (stage,) = protocol("pgd-2", step_size=text).stages
    assert step_in_pixels(stage, 0.5) == pytest.approx(value, rel=1e-15)
    assert Threat("Linf", eps_points(text)[0]).eps == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_mean_two_numbers_or_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Threat("Linf", text)
    with pytest.raises(UsageError):
        eps_points(text)
    if text != "eps":
        with pytest.raises(UsageError):
            protocol("pgd-2", step_size=text or " ")


@pytest.mark.parametrize("text", ["1.0/255:3.0/255", " 1/255 : 3/255 ", "1/255, 2.0/255,3/255"])
def test_grids_take_them_too(text: str) -> None:
    assert eps_points(text) == ("1/255", "2/255", "3/255")


@pytest.mark.parametrize("text", ["eps/4.0", "eps / 4", " eps/4", "eps*.25", "eps * 2.5e-1"])
def test_shares_of_eps_are_read_alike(text: str) -> None:
    (stage,) = protocol("pgd-2", step_size=text).stages
    assert step_in_pixels(stage, 8 / 255) == 2 / 255
