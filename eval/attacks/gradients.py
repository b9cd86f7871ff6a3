"""Gradients as attacks use them: numbers only, remembered, and with a way on where they vanish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eval.attacks import losses
from eval.attacks.rows import may_ask, slices, where_rows
from eval.attacks.search import Search

if TYPE_CHECKING:
    from eval.engine.net import Net


@dataclass(frozen=True)
class Usable:
    """A gradient (B, C, H, W) of numbers only.

    is_odd: (B,) where something was NaN or infinite. is_zero: (B,) where it is zero everywhere.
    """

    grad: Tensor
    is_odd: Tensor
    is_zero: Tensor


def gradient(
    net: Net, search: Search, x: Tensor, objective: Callable[[Tensor], Tensor], *, eot: int = 1
) -> tuple[Tensor, Tensor]:
    """`Net.gradient` with a `usable` gradient; `search` remembers whether it was one.

    x: (B, C, H, W), an image for each row of `search` -> logits (B, K), gradient (B, C, H, W).
    """
    logits, raw = net.gradient(x, objective, eot=eot)
    found = usable(raw.contiguous())  # the layout of the images
    _remember(search, found.is_zero, found.is_odd)
    return logits, found.grad


def cross_entropy_or_margin(net: Net, search: Search, x: Tensor) -> tuple[Tensor, Tensor]:
    """`gradient` of the cross-entropy; of the margin in rows where that is bad.

    Bad is a gradient that is zero everywhere, or NaN or infinite in places. In float32 the
    cross-entropy of a confident model is flat, since its softmax is exactly 1; the margin is not,
    and depends on two logits instead of all. Where the margin has no gradient either, the first one
    stays. Costs a second gradient of those rows; on a GPU, which would have to be asked for them,
    the margin takes the place where the softmax is exactly 1, and there alone.

    Source: Carlini & Wagner 2017, arXiv 1608.04644, section V.A; Croce & Hein 2020, arXiv
    2003.01690, section 4, on the vanishing cross-entropy.
    """
    y = search.task.y
    if not may_ask(x):
        return gradient(net, search, x, lambda z: _steep(z, y))
    logits, raw = net.gradient(x, lambda z: losses.cross_entropy(z, y))
    found = usable(raw.contiguous())
    grad, is_zero = found.grad, found.is_zero
    rows = (found.is_odd | is_zero).nonzero().squeeze(1)
    if len(rows):
        _, raw = net.gradient(x[rows], lambda z: losses.margin(z, y[rows]))
        other = usable(raw.contiguous())
        grad = grad.index_copy(0, rows, where_rows(other.is_zero, grad[rows], other.grad))
        is_zero = is_zero.index_copy(0, rows, is_zero[rows] & other.is_zero)
    _remember(search, is_zero, found.is_odd)
    return logits, grad


def _steep(logits: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy, or the margin where the cross-entropy is exactly 0; (B, K) -> (B,)."""
    cross_entropy = losses.cross_entropy(logits, y)
    return torch.where(cross_entropy == 0, losses.margin(logits, y), cross_entropy)


def usable(raw: Tensor) -> Usable:
    """The gradient (B, C, H, W) with numbers only.

    NaN becomes zero: there is nothing to follow in that coordinate, and there is in the others. An
    infinite entry counts as the largest finite one of its image (1 where there is none), with its
    sign: it leads, but does not drown the rest.
    """
    largest = raw.new_empty(len(raw))
    for at in slices(raw):
        torch.amax(raw[at].abs(), (1, 2, 3), out=largest[at])  # NaN where one is
    is_odd, is_zero = ~largest.isfinite(), largest == 0
    if may_ask(raw) and not bool(is_odd.any()):
        return Usable(raw, is_odd, is_zero)
    grad = _numbers_only(raw)
    return Usable(grad, is_odd, (grad == 0).flatten(1).all(1))


def _numbers_only(grad: Tensor) -> Tensor:
    is_finite = grad.isfinite()
    largest = torch.where(is_finite, grad, 0.0).abs().amax((1, 2, 3), keepdim=True)
    largest = torch.where(largest == 0, 1.0, largest)
    instead = torch.where(grad.isinf(), grad.sign() * largest, 0.0)
    return torch.where(is_finite, grad, instead)


def _remember(search: Search, is_zero: Tensor, is_odd: Tensor) -> None:
    search.had_gradient = search.had_gradient | ~is_zero
    search.had_nan = search.had_nan | is_odd
