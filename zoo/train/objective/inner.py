"""The inner problem: the worst image of the ball, searched with a few gradient steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eval.attacks.gradients import usable
from eval.attacks.pgd import direction
from eval.stage import Stage, step_in_pixels
from eval.threat import Threat
from zoo.activations.activations import attacker_pass
from zoo.train.recipe import Recipe

GAUSSIAN_START = 1e-3
"""Standard deviation of TRADES' start, Zhang et al. 2019, the authors' code."""


@dataclass(frozen=True)
class Inner:
    """PGD from a random start; one step is FGSM-RS (Wong et al. 2020, arXiv 2001.03994).

    objective: "ce", cross-entropy with the labels; "kl", divergence from the clean prediction,
        which has no gradient at the image itself: it needs a random start, and recipes have one.
    clean_start: share of batches that start at the image itself, one coin a batch.
    precision: "bf16" runs the network under autocast; images and steps stay fp32.
    """

    threat: Threat
    n_steps: int
    step_size: float
    objective: Literal["ce", "kl"] = "ce"
    start: Literal["uniform", "gaussian", "image"] = "uniform"
    clean_start: float = 0.0
    clips_start: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"

    @classmethod
    def of(cls, recipe: Recipe) -> Inner:
        """The inner attack of a recipe. Raises `UsageError` for eps or a step that cannot be."""
        threat = Threat(recipe.attack_norm, recipe.attack_eps)
        stage = Stage(name="inner", attack="pgd", steps=1, step_size=recipe.attack_step_size)
        return cls(
            threat=threat,
            n_steps=recipe.attack_steps,
            step_size=step_in_pixels(stage, threat.eps),
            objective=recipe.inner_loss,
            start=recipe.attack_start,
            clean_start=recipe.attack_clean_start,
            clips_start=recipe.attack_clips_start,
            precision=recipe.precision,
        )


def perturb(
    model: nn.Module, x: Tensor, y: Tensor, inner: Inner, generator: torch.Generator
) -> Tensor:
    """The adversarial images to train on.

    x (B, C, H, W) in [0, 1]; y (B,) labels or (B, K) shares of classes -> x_adv (B, C, H, W) in
    the ball. Batch norm and dropout are in inference mode meanwhile; no statistics move and no
    parameter gets a gradient. The mode of `model` is as before.

    Cost: n_steps input gradients, and a forward for the objective "kl".
    Source: Madry et al. 2018, arXiv 1706.06083, section 2.1.
    """
    with _as_attacker(model):
        objective = _objective(model, x, y, inner)
        x_adv = _start(x, inner, generator)
        for _ in range(inner.n_steps):
            x_adv.requires_grad_()
            with autocast(x.device, inner.precision):
                logits = model(x_adv)
            (grad,) = torch.autograd.grad(objective(logits.float()), x_adv)
            move = inner.step_size * direction(usable(grad).grad, inner.threat.norm)
            x_adv = inner.threat.project(x_adv.detach() + move, x)
    return x_adv


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 autocast on `device`, or its absence for "fp32"."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _start(x: Tensor, inner: Inner, generator: torch.Generator) -> Tensor:
    if inner.start == "image":
        return x.clone()
    if inner.clean_start:
        coin = torch.rand((), generator=generator, device=generator.device)
        if float(coin) < inner.clean_start:
            return x.clone()
    device = generator.device
    if inner.start == "gaussian":
        noise = torch.randn(x.shape, generator=generator, device=device)
        delta = GAUSSIAN_START * noise.to(x.device)
    elif inner.threat.norm == "Linf":
        noise = torch.rand(x.shape, generator=generator, device=device)
        delta = inner.threat.eps * (noise.to(x.device) * 2 - 1)
    else:
        noise = torch.randn(x.shape, generator=generator, device=device).to(x.device)
        # A direction times U^(1/d) is uniform in the d-dimensional ball.
        radius = torch.rand((len(x), 1, 1, 1), generator=generator, device=device).to(x.device)
        delta = inner.threat.eps * radius ** (1 / x[0].numel()) * direction(noise, "L2")
    start = x + delta
    return inner.threat.project(start, x) if inner.clips_start else start


def _objective(model: nn.Module, x: Tensor, y: Tensor, inner: Inner) -> Callable[[Tensor], Tensor]:
    """What the attacker maximises: logits (B, K) -> a number, summed over the images."""
    if inner.objective == "ce":
        return lambda logits: F.cross_entropy(logits, y, reduction="sum")
    with torch.no_grad(), autocast(x.device, inner.precision):
        clean = F.softmax(model(x).float(), dim=1)
    return lambda logits: F.kl_div(F.log_softmax(logits, dim=1), clean, reduction="sum")


@contextmanager
def _as_attacker(model: nn.Module) -> Iterator[None]:
    """Inference mode, frozen parameters, and the attacker's derivative of the activations."""
    was_training = model.training
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    model.eval()
    try:
        with attacker_pass(model):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        model.train(was_training)
