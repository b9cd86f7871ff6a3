"""The AutoAttack authors' own package, driven stage by stage, as the standard to compare with.

Every batch of survivors is one call with the seed reset, as in the package itself; what it claims
is then verified like any other candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

from eval.errors import UsageError
from eval.protocols import Stage
from eval.stage import Broken, Outcome, Survived
from eval.threat import Threat
from eval.verify import predict, verify

if TYPE_CHECKING:
    from eval.data import ImageSet


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


@dataclass
class ReferenceStage:
    """One stage on the images at `positions`, by the package; what it claims is verified here.

    Raises `UsageError` from `run` for a loss that the package cannot compute with so few classes.
    """

    model: nn.Module
    stage: Stage
    threat: Threat
    data: ImageSet
    positions: Sequence[int]
    batch_size: int
    device: torch.device
    n_classes: int
    seed: int
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self._counted = CountedModel(self.model)

    def passes(self) -> tuple[int, int]:
        """Images sent forward and backward through the model so far."""
        return self._counted.forwards, self._counted.backwards

    def run(self) -> Iterator[Broken | Survived]:
        """A `Broken` for each broken image, a `Survived` for each other.

        The package draws from the global random generator; its state is put back afterwards.
        """
        needed = {"dlr": 3, "dlr-targeted": 4}.get(self.stage.loss or "", 2)
        if self.n_classes < needed:
            raise UsageError(
                f"engine 'reference' cannot run {self.stage.name} on {self.n_classes} classes,"
                f" it needs {needed}: use `engine='fast'`"
            )
        _, attack = configured(
            self._counted, self.stage, self.threat, self.n_classes, self.seed, self.device
        )
        for i in range(0, len(self.positions), self.batch_size):
            some = self.positions[i : i + self.batch_size]
            batch = self.data.batch(some)
            x, y = batch.x.to(self.device), batch.y.to(self.device)
            with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
                x_adv = attack.perturb(x, y).detach()
            yield from self._verified(some, x, x_adv, y)

    def _verified(
        self, positions: Sequence[int], x: Tensor, x_adv: Tensor, y: Tensor
    ) -> Iterator[Broken | Survived]:
        checked = verify(self.model, x, x_adv, y, self.threat)
        # The package returns the clean image where it found nothing: right, so no claim.
        is_claimed = predict(self.model, torch.nan_to_num(x_adv)).argmax(1) != y
        self.outcome.n_rejected += int((is_claimed & ~checked.is_broken).sum())
        for i, position in enumerate(positions):
            if checked.is_broken[i]:
                yield Broken(position, x_adv[i], bool(checked.is_broken_8bit[i]))
            else:
                yield Survived(position)


def whole_batches(
    standing: Sequence[int], missing: Sequence[int], batch_size: int
) -> Sequence[int]:
    """Those batches of `standing` that hold any of `missing`, whole.

    The reference draws its random numbers a batch, so a verdict depends on its batch.
    """
    wanted = set(missing)
    batches = [standing[i : i + batch_size] for i in range(0, len(standing), batch_size)]
    return [p for batch in batches if not wanted.isdisjoint(batch) for p in batch]


def is_of_the_package(stage: Stage) -> bool:
    """Whether the package has the attack of `stage`."""
    return stage.attack in {"apgd", "fab", "square"}


def configured(
    model: nn.Module,
    stage: Stage,
    threat: Threat,
    n_classes: int,
    seed: int,
    device: torch.device,
) -> tuple[AutoAttack, Any]:
    """The package set up for `stage`, and its attack object of that stage.

    Where a verdict is wanted its entry point `run_standard_evaluation` is left alone: its checks
    end whatever trace function a debugger or coverage has set, and those of `eval.checks` stand in
    for them.
    """
    whole = AutoAttack(
        model,
        attacks=[stage.name],
        device=device,
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
    return whole, attack
