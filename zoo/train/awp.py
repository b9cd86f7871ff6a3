"""Adversarial weight perturbation: the loss at the worst weights nearby, not at the weights.

Source: Wu et al. 2020, arXiv 2004.05884, algorithm 1 with one step, as the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.train.distributed import Ranks
from zoo.train.losses import Objective


@contextmanager
def worst_weights(
    objective: Objective, x: Tensor, x_adv: Tensor, y: Tensor, gamma: float, ranks: Ranks
) -> Iterator[None]:
    """Inside, each convolution and linear weight w is moved by gamma |w| along its gradient.

    x, x_adv: (B, C, H, W); y: labels. On leaving, the weights are what they were, bit for bit.
    gamma: 0.005 in the paper.

    Cost: a forward and a backward pass.
    """
    weights = [w for w in objective.parameters() if w.requires_grad and w.ndim > 1]
    with _frozen_statistics(objective):
        loss, _ = objective(x, x_adv, y)
        grads = torch.autograd.grad(loss, weights)
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for w, own in zip(weights, grads, strict=True):
            # Of the images of all processes, so that all move to the same point.
            grad = ranks.total(own * len(x))
            w.add_(grad, alpha=float(gamma * w.norm() / (grad.norm() + 1e-12)))
    try:
        yield
    finally:
        with torch.no_grad():
            for w, old in zip(weights, before, strict=True):
                w.copy_(old)


@contextmanager
def _frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm still normalises by the batch, but its running statistics stand still."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
