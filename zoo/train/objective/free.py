"""The attack of "free" training: every backward pass moves the weights and the perturbations.

A batch is trained on several times in a row. Each backward pass gives the gradient of the weights,
which the optimizer takes, and that of the images, along which their perturbations go on; they are
handed to the next batch as they are. So an update costs 3 passes, where an attack of K steps of its
own makes it 2 K + 3.

Source: Shafahi et al. 2019, arXiv 1904.12843, algorithm 1. Batch norm is in training mode, since
the passes are those of training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.attacks.gradients import usable
from eval.attacks.pgd import direction
from eval.errors import UsageError
from eval.lengths import shortened
from zoo.activations.activations import ReLUSmoothBackward
from zoo.model import ZooModel
from zoo.train.distributed import Ranks
from zoo.train.objective.inner import Inner
from zoo.train.recipe import Recipe


class Free:
    """The perturbations, which begin at zero.

    delta: (N, C, H, W) in the ball of `attack_eps` around zero, N the largest share of a batch that
        this process gets; a smaller batch has the first of them, which are others where other
        processes share it.
    Raises `UsageError` if eps or the step size cannot be, or if the model has one derivative for
    the attacker and another for the optimizer, since here both have one gradient.
    """

    def __init__(self, model: ZooModel, recipe: Recipe, ranks: Ranks) -> None:
        sites = [m for m in model.modules() if isinstance(m, ReLUSmoothBackward)]
        if any(site.attacker != site.optimizer for site in sites):
            raise UsageError(
                f"free_replays: {recipe.free_replays} has one gradient for attacker and optimizer,"
                f" and {model.card.name} one for each: set free_replays to 0"
            )
        self.inner = Inner.of(recipe)
        spec = model.card.input
        n = -(-recipe.batch_size // ranks.size)
        shape = (n, spec.channels, spec.size, spec.size)
        self.delta = torch.zeros(shape, device=ranks.device)

    def images(self, x: Tensor) -> Tensor:
        """The perturbed images of x (B, C, H, W), in the ball and in [0, 1], to be backed into."""
        return self.inner.threat.project(x + self.delta[: len(x)], x).requires_grad_()

    def move(self, x_adv: Tensor) -> None:
        """Take the step that the gradient in `x_adv`, from `images`, asks for."""
        assert x_adv.grad is not None  # it was backed into
        threat = self.inner.threat
        move = self.inner.step_size * direction(usable(x_adv.grad).grad, threat.norm)
        delta = self.delta[: len(move)]
        moved = delta + move
        inside = (
            moved.clamp(-threat.eps, threat.eps)
            if threat.norm == "Linf"
            else shortened(moved, threat.eps)
        )
        delta.copy_(inside)
