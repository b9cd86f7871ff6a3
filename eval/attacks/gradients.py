"""Gradients as attacks use them: numbers only, remembered, and with a way on where they vanish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eval.attacks import losses
from eval.attacks.search import Search, where_rows

if TYPE_CHECKING:
    from eval.engine.engine import Net


def gradient(
    net: Net, search: Search, x: Tensor, objective: Callable[[Tensor], Tensor], *, eot: int = 1
) -> tuple[Tensor, Tensor]:
    """`Net.gradient` with a `usable` gradient; `search` remembers whether it was one.

    x: (B, C, H, W), an image for each row of `search` -> logits (B, K), gradient (B, C, H, W).
    """
    logits, raw = net.gradient(x, objective, eot=eot)
    grad, is_odd = usable(raw)
    _remember(search, grad, is_odd)
    return logits, grad


def cross_entropy_or_margin(net: Net, search: Search, x: Tensor) -> tuple[Tensor, Tensor]:
    """`gradient` of the cross-entropy; of the margin in rows where that is bad.

    Bad is a gradient that is zero everywhere, or NaN or infinite in places. In float32 the
    cross-entropy of a confident model is flat, since its softmax is exactly 1; the margin is not,
    and depends on two logits instead of all. Where the margin has no gradient either, the first one
    stays. Costs a second gradient of those rows.

    Source: Carlini & Wagner 2017, arXiv 1608.04644, section V.A; Croce & Hein 2020, arXiv
    2003.01690, section 4, on the vanishing cross-entropy.
    """
    y = search.task.y
    logits, raw = net.gradient(x, lambda z: losses.cross_entropy(z, y))
    grad, is_odd = usable(raw)
    rows = (is_odd | is_zero(grad)).nonzero().squeeze(1)
    if len(rows):
        _, raw = net.gradient(x[rows], lambda z: losses.margin(z, y[rows]))
        other, _ = usable(raw)
        other = where_rows(is_zero(other), grad[rows], other)
        grad = grad.index_copy(0, rows, other)
    _remember(search, grad, is_odd)
    return logits, grad


def usable(grad: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient (B, C, H, W) with numbers only, and which rows had something else (B,).

    NaN becomes zero: there is nothing to follow in that coordinate, and there is in the others. An
    infinite entry counts as the largest finite one of its image (1 where there is none), with its
    sign: it leads, but does not drown the rest.
    """
    is_finite = grad.isfinite()
    is_odd = ~is_finite.flatten(1).all(1)
    if not grad.is_cuda and not bool(is_odd.any()):  # asking a GPU would make the host wait
        return grad, is_odd
    largest = torch.where(is_finite, grad, 0.0).abs().amax((1, 2, 3), keepdim=True)
    largest = torch.where(largest == 0, 1.0, largest)
    instead = torch.where(grad.isinf(), grad.sign() * largest, 0.0)
    return torch.where(is_finite, grad, instead), is_odd


def is_zero(grad: Tensor) -> Tensor:
    """Which images have a gradient (B, C, H, W) that is exactly zero everywhere: (B,) bool."""
    return (grad == 0).flatten(1).all(1)


def _remember(search: Search, grad: Tensor, is_odd: Tensor) -> None:
    search.had_gradient = search.had_gradient | ~is_zero(grad)
    search.had_nan = search.had_nan | is_odd
