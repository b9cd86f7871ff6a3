import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eval.lengths import length, leveller, shortened, unit

POWERS = range(-123, 125, 8)
"""Of two: scales from 1e-37 to 1e37, exact in float32."""


def rows(seed: int, n: int = 4) -> Tensor:
    """Entries between 1/8 and 1, of either sign: none of them is denormal at any scale above."""
    generator = torch.Generator().manual_seed(seed)
    size = 1 - 0.875 * torch.rand(n, 3, 4, 4, generator=generator)
    return size * torch.where(torch.rand(size.shape, generator=generator) < 0.5, -1.0, 1.0)


@pytest.mark.parametrize("power", POWERS)
def test_unit_and_length_are_the_same_to_the_bit_at_every_scale(power: int) -> None:
    x = rows(0)
    scaled = x * 2.0**power
    assert torch.equal(unit(scaled), unit(x))
    assert torch.equal(length(scaled.flatten(1)), length(x.flatten(1)) * 2.0**power)


@given(seed=st.integers(0, 1000), exponent=st.floats(-38, 37.9))
def test_a_direction_has_length_one_at_every_scale(seed: int, exponent: float) -> None:
    x = rows(seed)
    torch.testing.assert_close(unit(x * 10**exponent), unit(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(unit(x).flatten(1).norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("tiny", [1.4e-45, 3e-45, 1e-41])
def test_the_smallest_numbers_that_there_are_have_a_direction(tiny: float) -> None:
    x = torch.tensor([[tiny, -tiny, 0.0, 0.0]])
    torch.testing.assert_close(unit(x), torch.tensor([[0.5**0.5, -(0.5**0.5), 0.0, 0.0]]))


def test_rows_of_very_different_size_do_not_disturb_each_other() -> None:
    x, sizes = rows(3), torch.tensor([1e-38, 1e-20, 1.0, 1e37]).view(4, 1, 1, 1)
    torch.testing.assert_close(unit(x * sizes), unit(x), rtol=1e-5, atol=1e-6)


def test_what_is_zero_stays_zero() -> None:
    zero = torch.zeros(2, 1, 2, 2)
    assert torch.equal(unit(zero), zero)
    assert torch.equal(length(zero.flatten(1)), torch.zeros(2))
    assert torch.equal(shortened(zero, 0.5), zero)


def test_in_the_ordinary_range_the_length_is_the_plain_one_to_the_bit() -> None:
    for seed in range(20):
        x = torch.randn(3, 500, generator=torch.Generator().manual_seed(seed)) * 10.0 ** (seed % 9)
        assert torch.equal(length(x), x.square().sum(1).sqrt())
        wide = x.double()
        assert torch.equal(length(wide), wide.square().sum(1).sqrt())


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-15, 1.0, 1e15, 1e30])
def test_shortened_keeps_what_is_short_enough_and_cuts_the_rest(scale: float) -> None:
    x = unit(rows(5))
    size = torch.tensor([0.25, 0.999, 1.001, 8.0]).view(4, 1, 1, 1)
    delta = x * size * scale
    cut = shortened(delta, scale)
    assert torch.equal(cut[:2], delta[:2])
    torch.testing.assert_close(cut[2:] / scale, x[2:], rtol=1e-5, atol=1e-6)


@given(value=st.floats(2.0**-126, 2.0**127, width=32))
def test_the_leveller_is_a_power_of_two_that_levels(value: float) -> None:
    x = torch.tensor([[value, -value / 2]])
    factor = leveller(x)
    assert float(factor.frexp().mantissa) == 0.5
    assert 1 <= float(x[0, 0] * factor) < 4
