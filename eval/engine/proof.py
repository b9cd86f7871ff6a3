"""Whether a copy of a model computes what the model computes, on images that neither has seen.

A deep copy can look right and be wrong: its hooks may still write into the original, it may carry
features or a cache of the images that the original saw last. So the copy goes first, on images made
for the occasion, in two batch sizes and two orders, and its logits and its gradients are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from eval.engine.batching import is_out_of_memory
from eval.errors import first_line

if TYPE_CHECKING:
    from eval.engine.net import Net

PROOF_IMAGES = 16
"""Images of the first proof."""

GRADIENT_IMAGES = 4
"""Of these, those whose gradients are compared."""

MAX_ERROR = {"fp32": 1e-3, "bf16": 5e-2}
"""Largest logit error of a fast copy, as a share of the spread of the logits. bf16 has 8 bits of
mantissa: networks of 18 to 50 layers were measured at 3e-3 to 1e-2."""

MAX_GRADIENT_ERROR = {"fp32": 5e-2, "bf16": 0.5}
"""Largest |difference| / |gradient| of the middle image. Rounding moves a ReLU or a maximum that is
near a tie to its other side, which changes the gradient by a step; a copy that is at fault has
another gradient altogether, and for every image."""


def unseen(x: Tensor) -> Tensor:
    """Images like x (B, C, H, W) that no network has met: blends of two of them, mirrored."""
    return (0.5 * (x + x.roll(1, 0).flip(2))).flip(3)


def fault(net: Net, plain: Net, x: Tensor, precision: Literal["fp32", "bf16"]) -> tuple[str, float]:
    """What is wrong with `net` compared with `plain`, in words, "" if nothing is.

    x: (B, C, H, W) unseen images. Returns the largest difference of logits too.
    Whatever `net` raises is a fault, except that memory ran out.
    """
    if net is plain:
        return "", 0.0
    try:
        return _compared(net, plain, x, precision)
    except Exception as error:  # a copy of a stranger's model may raise anything
        if is_out_of_memory(error):
            raise
        return f"fails ({first_line(error)})", float("inf")


def _compared(
    net: Net, plain: Net, x: Tensor, precision: Literal["fp32", "bf16"]
) -> tuple[str, float]:
    backwards, half = x.flip(0), -(-len(x) // 2)
    some = x[:GRADIENT_IMAGES]

    # The copy before the original: features that the original left behind are then of others.
    in_parts = torch.cat([net.logits(part) for part in torch.split(backwards, half)]).flip(0)
    whole = net.logits(x)
    _, grad = net.gradient(some, _objective)
    _, grad_flipped = net.gradient(some.flip(0), _objective)
    reference = plain.logits(x)
    _, grad_reference = plain.gradient(some, _objective)

    allowed = MAX_ERROR[precision] * float(reference.std().clamp_min(1e-6))
    difference = max(float((logits - reference).abs().max()) for logits in (whole, in_parts))
    if not difference <= allowed:
        return f"differs by {difference:.2g} in a logit, more than {allowed:.2g}", difference
    top = reference.topk(2, dim=1).values
    is_clear = top[:, 0] - top[:, 1] > 2 * difference
    if bool((whole.argmax(1) != reference.argmax(1))[is_clear].any()):
        return "names another class", difference
    for found in (grad, grad_flipped.flip(0)):
        error = _gradient_error(found, grad_reference)
        if not error <= MAX_GRADIENT_ERROR[precision]:
            return f"has other gradients, by {100 * error:.0f} % of their length", difference
    return "", difference


def _objective(logits: Tensor) -> Tensor:
    """A weighted sum of the logits (B, K), whose gradient never saturates; (B,)."""
    return logits @ torch.linspace(-1, 1, logits.shape[1]).to(logits)


def _gradient_error(grad: Tensor, reference: Tensor) -> float:
    """|difference| / |reference| of the middle image, where the reference is finite."""
    known = reference.isfinite()
    difference = torch.where(known, grad - reference, 0).flatten(1).double().norm(dim=1)
    length = torch.where(known, reference, 0).flatten(1).double().norm(dim=1)
    share = torch.where(difference == 0, 0, difference / length)
    return float(share.nan_to_num(nan=torch.inf).median())
