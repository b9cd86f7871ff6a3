"""What can be wrong around a network: with its input, its output, or the way it computes.

Each `Change` is the same network with one thing done otherwise, so that its logits can be compared
with those that are to be explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.model import ZooModel

Logits = NDArray[np.float32]

STATISTICS = {
    "0.5 and 0.5 (Inception)": ((0.5,) * 3, (0.5,) * 3),
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "CIFAR-100's": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "CLIP's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "MNIST's": ((0.1307,) * 3, (0.3081,) * 3),
}
"""Means and standard deviations that people use; of one channel the first."""


@dataclass(frozen=True)
class Change:
    """One thing done otherwise. code: of the kind of fault. noun: "BGR input", for sentences."""

    code: str
    noun: str
    logits: Callable[[ZooModel, Tensor], Tensor]


def input_changes(model: ZooModel) -> Iterator[Change]:
    """What images may have gone through, or not, before the network.

    Images are those that a `ZooModel` takes, (B, C, H, W) in [0, 1].
    """
    mean, std = model.mean, model.std

    def fed(code: str, noun: str, change: Callable[[Tensor], Tensor]) -> Change:
        return Change(code, noun, lambda of, x: of(change(x)))

    if mean.shape[1] == 3:
        yield fed("channel order", "BGR input instead of RGB", lambda x: x.flip(1))
    yield fed("mean/std", "no normalisation", lambda x: x * std + mean)
    yield fed("mean/std", "the normalisation made twice", lambda x: (x - mean) / std)
    for name, (other, spread) in STATISTICS.items():
        m, s = (torch.tensor(v[: mean.shape[1]]).view_as(mean).to(mean) for v in (other, spread))
        if not (torch.allclose(m, mean, atol=1e-3) and torch.allclose(s, std, atol=1e-3)):
            noun = f"{name} mean and std instead of {_numbers(mean)} and {_numbers(std)}"
            yield fed("mean/std", noun, _normalised(m, s, mean, std))
    yield fed("range", "input in [0, 255] instead of [0, 1]", lambda x: x * 255)
    yield fed("range", "input divided by 255 twice", lambda x: x / 255)
    yield fed("range", "input in [-1, 1] instead of [0, 1]", lambda x: 2 * x - 1)
    yield fed("range", "light and dark exchanged", lambda x: 1 - x)
    yield fed("axes", "height and width exchanged", lambda x: x.transpose(2, 3))
    yield fed(
        "axes",
        "(H, W, C) read as (C, H, W)",
        lambda x: x.permute(0, 2, 3, 1).reshape(x.shape),
    )
    yield fed("axes", "images mirrored", lambda x: x.flip(3))
    yield fed("axes", "images upside down", lambda x: x.flip(2))


def computed_changes() -> Iterator[Change]:
    """How the same network may compute otherwise."""
    yield Change("batch norm", "BatchNorm in train mode, on each batch's own statistics", _in_train)
    for code, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        noun = f"{code} instead of fp32"
        yield Change("precision", f"{noun} (autocast)", _autocast(dtype))
        yield Change("precision", f"{noun} (weights and input)", _rounded(dtype))


def output_changes(found: Logits, wanted: Logits) -> Iterator[tuple[str, str, Logits]]:
    """(code, noun, `found` with that undone) for what may have happened to logits.

    found: (B, K'), wanted: (B, K), of the network that is right.
    """
    n, k = wanted.shape[1], found.shape[1]
    if k == n + 1:
        yield "label offset", f"{k} classes, with one more before the first", found[:, 1:]
        yield "label offset", f"{k} classes, with one more after the last", found[:, :-1]
    if k != n:
        return
    yield "label offset", "labels shifted by +1", np.roll(found, -1, 1)
    yield "label offset", "labels shifted by -1", np.roll(found, 1, 1)
    total = found.sum(1)
    if np.allclose(total, 1, atol=1e-3) and found.min() >= 0:
        # A softmax only loses what is the same for all logits of an image.
        logits = np.log(np.maximum(found, np.finfo(np.float32).tiny))
        yield "output", "probabilities (a softmax) instead of logits", _level(logits, wanted)
    yield "output", "logits that are all shifted (a log-softmax)", _level(found, wanted)
    order = np.argsort(found[0])
    rank = np.argsort(np.argsort(wanted[0]))
    if n > 2:
        yield "class order", "the classes in another order", found[:, order[rank]]


@contextmanager
def batch_norm_training(model: nn.Module) -> Iterator[None]:
    """BatchNorm in train mode within; its running statistics stay as they are."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [(m, m.training, m.running_mean, m.running_var, m.num_batches_tracked) for m in norms]
    try:
        for norm in norms:
            norm.train()
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
        yield
    finally:
        for norm, training, mean, var, n in kept:
            norm.train(training)
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, var, n


def _normalised(m: Tensor, s: Tensor, mean: Tensor, std: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - m) / s * std + mean


def _in_train(model: ZooModel, x: Tensor) -> Tensor:
    with batch_norm_training(model):
        return model(x)  # type: ignore[no-any-return]


def _autocast(dtype: torch.dtype) -> Callable[[ZooModel, Tensor], Tensor]:
    def logits(model: ZooModel, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype):
            return model(x)  # type: ignore[no-any-return]

    return logits


def _rounded(dtype: torch.dtype) -> Callable[[ZooModel, Tensor], Tensor]:
    """Everything in that type, as a model is that was cast to it."""

    def logits(model: ZooModel, x: Tensor) -> Tensor:
        state = {
            name: value.to(dtype) if value.is_floating_point() else value
            for name, value in (*model.named_parameters(), *model.named_buffers())
        }
        found: Tensor = torch.func.functional_call(model, state, x.to(dtype))
        return found

    return logits


def _level(found: Logits, wanted: Logits) -> Logits:
    level: Logits = wanted.mean(1, keepdims=True) - found.mean(1, keepdims=True)
    return found + level


def _numbers(values: Tensor) -> str:
    numbers = values.flatten().tolist()
    return ",".join(
        f"{value:.3g}" for value in (numbers[:1] if len(set(numbers)) == 1 else numbers)
    )
