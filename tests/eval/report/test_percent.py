"""Shares in per cent: half goes up, as in the browser that draws them."""

import pytest

from eval.report.percent import percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.3645, "36.5"),
        (0.2935, "29.4"),
        (0.3625, "36.3"),
        (0.0, "0.0"),
        (1, "100.0"),
        (1 / 3, "33.3"),
    ],
)
def test_half_goes_up(share: float, text: str) -> None:
    assert percent(share) == text


def test_digits_are_as_many_as_asked() -> None:
    assert percent(0.36449, digits=2) == "36.45"
    assert percent(0.365, digits=0) == "37"
