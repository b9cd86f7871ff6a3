"""Adversarial training: minimise the loss at the worst image of the ball.

Source: Madry et al. 2018, arXiv 1706.06083, equation (2.1); Xie et al. 2020, arXiv 2006.14536,
for smooth activations in both the inner and the outer problem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from eval.attacks.pgd import direction
from eval.errors import SatZooError
from eval.protocols import Stage, step_in_pixels
from eval.threat import Threat
from zoo import archs
from zoo.cards import ModelCard
from zoo.loading import ZooModel
from zoo.train.recipe import Recipe


@dataclass(frozen=True)
class EpochResult:
    """Means over one epoch's adversarial training images."""

    epoch: int
    loss: float
    robust_accuracy: float
    lr: float


def train(
    info: ModelCard,
    recipe: Recipe,
    x: Tensor,
    y: Tensor,
    *,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> ZooModel:
    """Train the network of a card on images x (N, C, H, W) in [0, 1] with labels y (N,).

    The same seed and number of threads give the same weights on the same machine.

    Raises `SatZooError` if the loss is no longer finite.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = ZooModel(archs.build(info), info, None)
    optimizer = create_optimizer_v2(
        model,
        opt="nesterov",
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    n_steps = -(-len(x) // recipe.batch_size)
    schedule = _schedule(optimizer, recipe, n_steps)
    ema = ModelEmaV3(model, decay=recipe.ema_decay) if recipe.ema_decay else None
    for epoch in range(1, recipe.epochs + 1):
        total = torch.zeros(2)
        for batch in torch.randperm(len(x), generator=generator).split(recipe.batch_size):  # type: ignore[no-untyped-call]
            images = _shift(x[batch], recipe.shift_pixels, generator)
            loss, n_right = _step(model, images, y[batch], recipe, optimizer, generator)
            schedule.step()
            if ema is not None:
                ema.update(model)
            total += torch.tensor([loss * len(batch), n_right])
        mean_loss, accuracy = (total / len(x)).tolist()
        lr = optimizer.param_groups[0]["lr"]
        if not torch.isfinite(total).all():
            raise SatZooError(
                f"training {info.name} diverged in epoch {epoch} at a learning rate of {lr:.3g}:"
                " lower lr in the recipe"
            )
        on_epoch(EpochResult(epoch, mean_loss, accuracy, lr))
    trained = ema.module if ema is not None else model
    return trained.eval().requires_grad_(False)


def perturb(
    model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe, generator: torch.Generator
) -> Tensor:
    """The inner attack: PGD from a uniform random start, with batch norm in inference mode.

    x (B, C, H, W), y (B,) -> x_adv (B, C, H, W) in the ball. The model is left in eval mode.
    """
    threat = Threat("Linf", recipe.attack_eps)
    stage = Stage(name="inner", attack="pgd", steps=1, step_size=recipe.attack_step_size)
    step = step_in_pixels(stage, threat.eps)
    model.eval()
    noise = torch.rand(x.shape, generator=generator).to(x.device) * 2 - 1
    x_adv = threat.project(x + threat.eps * noise, x)
    for _ in range(recipe.attack_steps):
        x_adv.requires_grad_()
        loss = F.cross_entropy(model(x_adv), y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, x_adv)
        x_adv = threat.project(x_adv.detach() + step * direction(grad, threat.norm), x)
    return x_adv


def _step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> tuple[float, int]:
    x_adv = perturb(model, x, y, recipe, generator)
    model.train()
    logits = model(x_adv)
    loss = F.cross_entropy(logits, y, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach()), int((logits.argmax(1) == y).sum())


def _schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> LRScheduler:
    n_warmup = max(1, round(recipe.warmup_epochs * steps_per_epoch))
    n_rest = max(1, recipe.epochs * steps_per_epoch - n_warmup)
    return SequentialLR(
        optimizer,
        [
            LinearLR(optimizer, start_factor=1 / n_warmup, total_iters=n_warmup),
            CosineAnnealingLR(optimizer, T_max=n_rest),
        ],
        milestones=[n_warmup],
    )


def _shift(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Translate each image by up to `pixels` in both directions, filling with black."""
    if pixels == 0:
        return x
    n, _, height, width = x.shape
    padded = F.pad(x, [pixels] * 4)
    offset = torch.randint(0, 2 * pixels + 1, (2, n), generator=generator)
    rows = offset[0, :, None] + torch.arange(height)
    columns = offset[1, :, None] + torch.arange(width)
    batch = torch.arange(n)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
