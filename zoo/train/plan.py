"""What a run will cost, from the recipe, the card and a few timed steps on random pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.cards import ModelCard
from zoo.train.distributed import Ranks
from zoo.train.recipe import Recipe
from zoo.train.step import Stepper, begin

N_TRAINING = {"digits": 1437, "cifar10": 50_000, "cifar10-jpeg": 50_000, "imagenet": 1_281_167}
"""Images of the training splits, so that planning needs no data."""
_PROBE_IMAGES = 32
_PROBE_WORK = 16e9
"""Multiply-adds of a pass over the probe: a few GB on a CPU."""
_GPU_IS_WORTH = 8
_TIMED_STEPS = 3
_STEP_SECONDS = 10.0
"""What a timed step may take, and what all of them take before no more is begun."""
_FEWEST = 2  # for batch norm


@dataclass(frozen=True)
class TrainingPlan:
    """An estimate. flops counts a multiply-add as two; memory is that of one process.

    seconds: the best of a few steps on n_probe images, scaled up; data loading and validation
        come on top.
    """

    n_images: int
    n_steps: int
    flops: float
    images_per_second: float
    seconds: float
    memory_bytes: float
    n_probe: int

    def lines(self) -> list[str]:
        """For people."""
        from eval.report.duration import duration

        digits = ".0f" if self.images_per_second >= 10 else ".2g"
        return [
            f"training images  {self.n_images:,}",
            f"steps            {self.n_steps:,}",
            f"arithmetic       {self.flops:.2e} FLOPs",
            f"speed            {self.images_per_second:{digits}} images/s"
            f" (timed here on {self.n_probe} random pictures)",
            f"time             {duration(self.seconds)}",
            f"memory           {self.memory_bytes / 1e6:,.0f} MB a process",
        ]


def plan_training(
    info: ModelCard, recipe: Recipe, ranks: Ranks, n_images: int | None = None
) -> TrainingPlan:
    """Estimate a run by timing a few steps on a few random pictures.

    On as many as `n_probe_images` and `n_affordable` both allow.

    n_images: training images; default the size of the card's data set. Every process times its
    own steps; what the network between them costs is not in the estimate.
    """
    n = (n_images or N_TRAINING[info.dataset]) - recipe.validation_images
    n_steps = recipe.epochs * -(-n // recipe.batch_size)
    most = n_probe_images(info, recipe, ranks)
    stepper = begin(info, replace_batch(recipe, most), 1000, replace(ranks, size=1, rank=0))
    x, y = random_batch(info, replace_batch(recipe, max(most, _FEWEST + 1)), ranks.device)

    def seconds_of(size: int) -> float:
        return best_time(
            lambda: stepper.take(x[:size], y[:size], size, step=1, epoch=recipe.epochs),
            ranks.device,
        )

    n_probe, seconds = _FEWEST, seconds_of(_FEWEST)
    if (affordable := n_affordable(most, seconds)) > n_probe:
        n_probe, seconds = affordable, seconds_of(affordable)
    rate = n_probe / seconds * ranks.size
    per_process = recipe.batch_size / (ranks.size * recipe.accumulate)
    return TrainingPlan(
        n_images=n,
        n_steps=n_steps,
        flops=2.0 * (info.flops or 0) * passes(recipe) * n * recipe.epochs,
        images_per_second=rate,
        seconds=n * recipe.epochs / rate,
        memory_bytes=_fixed_bytes(stepper) + _saved_bytes(stepper, x, y, per_process),
        n_probe=n_probe,
    )


def n_probe_images(info: ModelCard, recipe: Recipe, ranks: Ranks) -> int:
    """How many pictures a process times: 32, or fewer for a large network or a small batch.

    On a GPU as many as it is given at once in the run, since it takes as long for fewer.
    What a step keeps of them fits into a few GB. At least 2, for batch norm.
    """
    on_gpu = ranks.device.type == "cuda"
    work = _PROBE_WORK * (_GPU_IS_WORTH if on_gpu else 1)
    at_once = recipe.batch_size // (ranks.size * recipe.accumulate)
    most = at_once if on_gpu else min(_PROBE_IMAGES, at_once)
    return max(_FEWEST, min(most, int(work / info.flops) if info.flops else most))


def n_affordable(most: int, seconds: float) -> int:
    """How many of `most` pictures are timed where a step on 2 of them takes `seconds`.

    So that asking for the cost of a run costs little of it, whatever makes its steps slow: a
    processor without bf16 takes minutes for what its arithmetic says takes seconds.
    """
    return max(_FEWEST, min(most, int(_FEWEST * _STEP_SECONDS / seconds)))


def passes(recipe: Recipe) -> int:
    """Passes through the network an image, a backward one for inputs or weights counting as one."""
    if recipe.free_replays:
        return 3 * recipe.free_replays
    attack = 2 * recipe.attack_steps + (recipe.inner_loss == "kl")
    outer = 3 if recipe.loss == "ce" else 6
    return attack + outer * (2 if recipe.awp_gamma else 1)


def replace_batch(recipe: Recipe, n: int) -> Recipe:
    """The recipe for one undivided batch of n images, at the same learning rate."""
    changes = {"batch_size": n, "accumulate": 1, "lr": recipe.peak_lr, "lr_per": None}
    return recipe.model_copy(update=changes)


def random_batch(info: ModelCard, recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Noise of the card's size in the recipe's memory layout, (B, C, H, W), and labels (B,)."""
    stream = torch.Generator().manual_seed(0)
    shape = (recipe.batch_size, info.input.channels, info.input.size, info.input.size)
    x = torch.rand(shape, generator=stream)
    y = torch.randint(info.classes, (recipe.batch_size,), generator=stream)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return x.to(device, memory_format=layout), y.to(device)


def best_time(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of three calls, fewer if they take long, after one that warms up."""
    times: list[float] = []
    while len(times) <= _TIMED_STEPS and (len(times) < 2 or sum(times) < _STEP_SECONDS):
        _wait(device)
        started = time.perf_counter()
        call()
        _wait(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _fixed_bytes(stepper: Stepper) -> float:
    """Weights, gradients, optimizer and average: what does not grow with the batch."""
    n_weights = sum(p.numel() for p in stepper.model.parameters())
    n_state = sum(
        value.numel()
        for entries in stepper.optimizer.state.values()
        for value in entries.values()
        if isinstance(value, Tensor)
    )
    return 4.0 * ((2 + (stepper.ema is not None)) * n_weights + n_state)


def _saved_bytes(stepper: Stepper, x: Tensor, y: Tensor, n: float) -> float:
    """What the training forward of n images keeps for its backward, from what that of few keeps.

    Of two numbers of images, since some of it is there once: weights in half precision.
    """
    few, more = (_kept(stepper, x[:size], y[:size]) for size in (_FEWEST, _FEWEST + 1))
    return few + (more - few) * (n - _FEWEST)


def _kept(stepper: Stepper, x: Tensor, y: Tensor) -> int:
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    stepper.model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # Clones: of a part of a batch the storage is the whole.
        stepper.objective(x.clone(), x.clone(), y.clone())
    weights = {p.untyped_storage().data_ptr() for p in stepper.model.parameters()}
    return sum(size for pointer, size in kept.items() if pointer not in weights)
