"""Lengths that neither vanish nor overflow, however small or large what is measured.

Squares of float32 numbers below 1e-23 are zero and above 1e19 infinite, while gradients of 1e-38
point somewhere too. Every row is multiplied with a power of two before it is squared. That is
exact, so where the squares would have been harmless the result is the same to the bit. No torch is
imported here: `eval.threat` is read without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def leveller(flat: Tensor) -> Tensor:
    """The power of two that brings the largest entry of each row to [1, 2).

    flat: (..., D), finite, float32 or float64 -> (..., 1). Denormal numbers, whose inverse cannot
    be written, are brought above 1e-7 only, and those above 2^127 to [2, 4).
    """
    is_single = flat.element_size() == 4
    bias, n_mantissa = (127, 23) if is_single else (1023, 52)
    exponent = flat.abs().amax(-1, keepdim=True).frexp().exponent - 1
    inverse = bias - exponent.clamp(1 - bias, bias - 1)
    bits = (inverse.int() if is_single else inverse.long()) << n_mantissa
    return bits.view(flat.dtype)


def length(flat: Tensor) -> Tensor:
    """Euclidean length of each row: (..., D) -> (...)."""
    factor = leveller(flat)
    return (flat * factor).square().sum(-1).sqrt() / factor.squeeze(-1)


def unit(x: Tensor) -> Tensor:
    """Each x[i] divided by its Euclidean length, (B, ...); where it is zero it stays zero."""
    per_row = (-1, *[1] * (x.dim() - 1))
    level = x * leveller(x.flatten(1)).view(per_row)
    size = level.flatten(1).square().sum(1).sqrt()
    return level / size.masked_fill(size == 0, 1.0).view(per_row)


def shortened(delta: Tensor, most: float) -> Tensor:
    """Each delta[i], where it is longer than `most`, cut to that Euclidean length; (B, ...)."""
    per_row = (-1, *[1] * (delta.dim() - 1))
    factor = leveller(delta.flatten(1)).view(per_row)
    level = delta * factor
    share = most / level.flatten(1).square().sum(1).sqrt().view(per_row)
    return level * share.minimum(1 / factor)
