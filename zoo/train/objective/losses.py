"""What the optimizer minimises: plain adversarial training, TRADES, MART."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.train.objective.inner import autocast
from zoo.train.recipe import Recipe

BETA = {"trades": 6.0, "mart": 5.0}
"""The values of the papers, where the recipe gives none."""


class Objective(nn.Module):
    """The network with its loss, as one module.

    So that data parallelism sees one forward a step, however often the loss calls the network:
    it sends batch-norm buffers at every forward, between two of one step that would be wrong.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe

    def forward(self, x: Tensor, x_adv: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images and adversarial images (B, C, H, W), labels -> mean loss, logits of x_adv."""
        recipe = self.recipe
        beta = recipe.loss_beta if recipe.loss_beta is not None else BETA.get(recipe.loss, 0.0)
        with autocast(x.device, recipe.precision):
            clean = self.model(x).float() if recipe.loss != "ce" else None
            logits = self.model(x_adv).float()
        if clean is None:
            return F.cross_entropy(logits, y, label_smoothing=recipe.label_smoothing), logits
        if recipe.loss == "trades":
            return trades(clean, logits, y, beta, recipe.label_smoothing), logits
        return mart(clean, logits, y, beta), logits


def trades(clean: Tensor, adv: Tensor, y: Tensor, beta: float, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the clean logits + beta times the divergence of the adversarial ones.

    clean, adv: (B, K); y: (B,). The mean over the batch.

    Source: Zhang et al. 2019, arXiv 1901.08573, equation (3) in the form of the authors' code,
    whose beta is the paper's 1/lambda.
    """
    natural = F.cross_entropy(clean, y, label_smoothing=smoothing)
    return natural + beta * _divergence(clean, adv).mean()


def mart(clean: Tensor, adv: Tensor, y: Tensor, beta: float) -> Tensor:
    """Boosted cross-entropy + beta times the divergence, weighted by how wrong clean images are.

    clean, adv: (B, K); y: (B,). The mean over the batch.

    Source: Wang et al. 2020, "Improving Adversarial Robustness Requires Revisiting Misclassified
    Examples", ICLR, equation (11); the constants 1e-4 and 1e-12 are those of the authors' code.
    """
    p_adv = F.softmax(adv, dim=1)
    wrong = p_adv.scatter(1, y[:, None], 0.0).amax(dim=1)
    boosted = F.cross_entropy(adv, y) - torch.log(1.0001 - wrong + 1e-12).mean()
    p_true = F.softmax(clean, dim=1).gather(1, y[:, None]).squeeze(1)
    return boosted + beta * (_divergence(clean, adv) * (1.0000001 - p_true)).mean()


def _divergence(clean: Tensor, adv: Tensor) -> Tensor:
    """KL(clean || adv) for each image, (B,)."""
    log_p, log_q = F.log_softmax(clean, dim=1), F.log_softmax(adv, dim=1)
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)
