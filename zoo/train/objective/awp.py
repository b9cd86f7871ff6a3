"""Adversarial weight perturbation: the loss at the worst weights nearby, not at the weights.

The gradient that the optimizer gets is the one at the moved weights w + v; the step is then taken
from w itself.

Source: Wu et al. 2020, arXiv 2004.05884, algorithm 1 with one alternation and one step for v, which
starts at 0: the images are attacked at w, and v is gamma |w| along the gradient, layer by layer,
for weights of two or more dimensions. While v is searched, batch norm normalises by the batch and
its running statistics stand still, which the authors' code reaches with a copy of the network.

Differs from the source, which takes the optimizer's step from w + v and subtracts v afterwards. An
update that follows from gradients alone, SGD with momentum say, ends at the same weights but for
rounding. One that looks at the weights does not: weight decay sees w here and w + v there, a
relative difference of at most gamma; trust ratios such as LAMB's see other norms. And with
`accumulate`, each piece of a batch has a v of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.train.distributed import Ranks
from zoo.train.objective.losses import Objective


@contextmanager
def worst_weights(
    objective: Objective, x: Tensor, x_adv: Tensor, y: Tensor, gamma: float, ranks: Ranks
) -> Iterator[None]:
    """Inside, each convolution and linear weight w is moved by gamma |w| along its gradient.

    x, x_adv: (B, C, H, W); y: labels. On leaving, the weights are what they were, bit for bit:
    call backward inside, and step the optimizer outside.
    gamma: 0.005 in the authors' code for TRADES.

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
