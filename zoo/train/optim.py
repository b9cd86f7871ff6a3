"""The optimizer and the learning rate, step by step; timm's and torch's parts put together."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)

from eval.errors import unknown
from zoo.train.recipe import Recipe


def build_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The optimizer of a recipe.

    Weight decay acts on convolution and linear weights alone: what has one dimension, biases,
    batch norm and SmoothReLU's `raw`, gets none.

    Raises `UsageError` if timm has no optimizer of that name.
    """
    known = [str(name) for name in list_optimizers()]
    if recipe.optimizer not in known:
        raise unknown("optimizer of the recipe", recipe.optimizer, known)
    more: dict[str, Any] = {"eps": recipe.optimizer_eps} if recipe.optimizer_eps else {}
    optimizer: Optimizer = create_optimizer_v2(
        model,
        opt=recipe.optimizer,
        lr=recipe.peak_lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        **more,
    )
    return optimizer


def build_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LRScheduler:
    """The learning rate as the recipe says, to be advanced once a step.

    A linear rise over `warmup_epochs`, then: "cosine" and "one-cycle" fall to zero at the end,
    the second linearly (Wong et al. 2020, arXiv 2001.03994); "step" multiplies by gamma at each
    milestone; "decay" multiplies by gamma every `decay_epochs`. Epochs count from the start.
    """
    n_warmup = max(1, round(recipe.warmup_epochs * steps_per_epoch))
    start = 1 / n_warmup
    if recipe.warmup_from is not None:
        start = min(1.0, recipe.warmup_from / recipe.peak_lr)
    rise = LinearLR(optimizer, start_factor=start or 1e-8, total_iters=n_warmup)
    rest = _after_warmup(optimizer, recipe, n_warmup, steps_per_epoch)
    return SequentialLR(optimizer, [rise, rest], milestones=[n_warmup])


def _after_warmup(
    optimizer: Optimizer, recipe: Recipe, n_warmup: int, steps_per_epoch: int
) -> LRScheduler:
    n_rest = max(1, recipe.epochs * steps_per_epoch - n_warmup)
    gamma = recipe.gamma or 1.0
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=n_rest)
    if recipe.schedule == "one-cycle":
        return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=n_rest)
    if recipe.schedule == "step":
        falls = [round(epoch * steps_per_epoch) for epoch in recipe.milestones]
        return LambdaLR(optimizer, lambda step: gamma ** bisect_right(falls, step + n_warmup))
    if recipe.schedule == "decay":
        every = max(1, round((recipe.decay_epochs or 1.0) * steps_per_epoch))
        return LambdaLR(optimizer, lambda step: gamma ** ((step + n_warmup) // every))
    return LambdaLR(optimizer, lambda step: 1.0)
