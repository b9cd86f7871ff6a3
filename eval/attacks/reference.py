"""The AutoAttack authors' own package, driven stage by stage, as the standard to compare with.

Every batch of survivors is one call with the seed reset, as in the package itself; what it claims
is then verified like any other candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

from eval.errors import UsageError
from eval.protocols import Stage
from eval.threat import Threat


class CountedModel(nn.Module):
    """A model that counts the images sent forward and backward through it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0
        self.backwards = 0

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K)."""
        # The package reshapes gradients with `view`, which needs contiguous images.
        logits: Tensor = self.model(x.contiguous())
        self.forwards += len(x)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return logits

    def _count_backward(self, grad: Tensor) -> None:
        self.backwards += len(grad)


def run_reference(
    model: CountedModel,
    stage: Stage,
    threat: Threat,
    batches: Iterator[tuple[Tensor, Tensor, Tensor]],
    *,
    n_classes: int,
    seed: int,
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Attack batches of positions (B,), x (B, C, H, W), y (B,) with one stage.

    Yields positions, x, claimed x_adv, y. The package draws from the global generator; its state
    is put back afterwards.

    Raises `UsageError` for a loss that the package cannot compute with so few classes.
    """
    needed = {"dlr": 3, "dlr-targeted": 4}.get(stage.loss or "", 2)
    if n_classes < needed:
        raise UsageError(
            f"engine 'reference' cannot run {stage.name} on {n_classes} classes, it needs"
            f" {needed}: use --engine fast"
        )
    attack = _configured(model, stage, threat, n_classes, seed)
    for positions, x, y in batches:
        with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            x_adv = attack.perturb(x, y)
        yield positions, x, x_adv.detach(), y


def _configured(
    model: CountedModel, stage: Stage, threat: Threat, n_classes: int, seed: int
) -> Any:
    """The package's attack object for `stage`.

    Its entry point `run_standard_evaluation` is left alone: its checks end whatever trace function
    a debugger or coverage has set, and the checks of `eval.checks` stand in for them.
    """
    whole = AutoAttack(
        model,
        attacks=[stage.name],
        device=next(model.parameters()).device,
        eps=threat.eps,
        norm=threat.norm,
        seed=seed,
        version="custom",
    )
    attack = {
        "apgd": whole.apgd_targeted if stage.targets else whole.apgd,
        "fab": whole.fab,
        "square": whole.square,
    }[stage.attack]
    attack.seed = seed
    attack.n_restarts = stage.restarts
    if stage.attack == "square":
        attack.n_queries = stage.steps
    else:
        attack.n_iter = stage.steps
    if stage.attack == "apgd":
        attack.eot_iter = stage.eot
        if not stage.targets:
            attack.loss = stage.loss
    if stage.targets is not None:
        attack.targeted = True
        # With fewer classes than targets the package would index past the last class.
        attack.n_target_classes = min(stage.targets, n_classes - 1)
    return attack
