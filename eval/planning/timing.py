"""How long passes through a model take, timed on whole batches of its images."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import torch

from eval.attacks.losses import cross_entropy
from eval.planning.work import Speed
from eval.verify import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from eval.data import Batch, ImageSet
    from eval.engine.cost import Cost
    from eval.engine.engine import Engine

N_TIMED = 2
"""Batches that are timed."""


def timed_batches(data: ImageSet, size: int) -> list[Batch]:
    """The first `N_TIMED` batches."""
    size = min(size, len(data))
    # A set smaller than two batches is read round and round.
    return [
        data.batch([(start + i) % len(data) for i in range(size)])
        for start in range(0, N_TIMED * size, size)
    ]


def measured_speed(
    model: nn.Module, engine: Engine, batches: list[Batch], cost: Cost, device: torch.device
) -> Speed:
    """Time passes over `batches`; of each kind the fastest counts."""
    pairs = [(batch.x.to(device), batch.y.to(device)) for batch in batches]

    def best(work: Callable[[Tensor, Tensor], object]) -> float:
        return min(_seconds(partial(work, x, y), device) / len(x) for x, y in pairs)

    forward = best(lambda x, _: engine.search.logits(x))
    gradient = best(lambda x, y: engine.search.gradient(x, lambda z: cross_entropy(z, y)))
    exact_forward, exact_gradient = forward, gradient
    if engine.exact is not engine.search:
        exact_forward = best(lambda x, _: engine.exact.logits(x))
        exact_gradient = best(lambda x, y: engine.exact.gradient(x, lambda z: cross_entropy(z, y)))
    return Speed(
        clean_seconds=best(lambda x, _: predict(model, x)),
        forward_seconds=forward,
        gradient_seconds=gradient,
        exact_forward_seconds=exact_forward,
        exact_gradient_seconds=exact_gradient,
        forward_multiply_adds=cost.forward,
        backward_multiply_adds=cost.backward,
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
