"""What a run tells while it goes on and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from eval.errors import SatZooError


class Stopped(SatZooError):
    """The run was asked to stop; its checkpoint is on disk."""

    exit_code = 130


@dataclass(frozen=True)
class EpochResult:
    """What is known at the end of an epoch. Accuracies are fractions.

    loss, train_robust: means over the epoch's adversarial training images, as they were met.
    valid_clean, valid_robust: of the held-out images; None where they were not looked at.
    train_clean: of a fixed sample of the training images, as the held-out ones are measured; None
        where they were not looked at, or do not lie in memory.
    """

    epoch: int
    step: int
    loss: float
    train_robust: float
    lr: float
    images_per_second: float
    valid_clean: float | None = None
    valid_robust: float | None = None
    train_clean: float | None = None


@dataclass(frozen=True)
class Hooks:
    """What a run tells and asks. on_step: (step, of how many, loss, images a second)."""

    on_epoch: Callable[[EpochResult], None] = lambda _: None
    on_step: Callable[[int, int, float, float], None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run. tensors: the chosen network's state dict; chosen_epoch: where it stood."""

    tensors: Mapping[str, Tensor]
    log: list[EpochResult]
    chosen_epoch: int
    is_complete: bool
