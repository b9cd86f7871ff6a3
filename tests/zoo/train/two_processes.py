"""Run by test_distributed.py under torchrun: trains a network without batch norm, and counts.

Argument: the JSON file to write. Without one: trains alone and prints.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from eval.data import from_tensors
from eval.errors import UsageError
from zoo import networks
from zoo.cards import InputSpec, ModelCard, ThreatSpec
from zoo.train.data.feed import memory_feed, split
from zoo.train.distributed import processes
from zoo.train.loop import Training
from zoo.train.recipe import check_recipe
from zoo.train.record.events import Hooks, Stopped

FIELDS: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 16,
    "lr": 0.3,
    "weight_decay": 5e-4,
    "ema_decay": 0.9,
    "attack_eps": "1/8",
    "attack_steps": 2,
    "attack_step_size": "eps/2",
    "attack_start": "image",
}
# 48 images in pieces; 51, whose last batch of 3 is shared 2 to 1, with worst weights; and 48 whose
# attack has no passes of its own.
CASES: dict[str, dict[str, Any]] = {
    "pieces": {"accumulate": 2, "validation_images": 12},
    "awp": {"awp_gamma": 0.005, "validation_images": 9},
    "free": {"free_replays": 2, "attack_steps": 1, "validation_images": 12},
}
CARD = ModelCard(
    name="no-norm",
    family="digits",
    arch="none",
    activation="silu",
    method="sat",
    dataset="digits",
    classes=5,
    input=InputSpec(channels=1, size=8, mean=(0.5,), std=(0.5,)),
    threat=ThreatSpec(eps="1/8"),
    parameters=1,
)


def network(card: ModelCard) -> nn.Module:
    """Without batch norm, so that a batch cut in two has the gradient of the whole."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.SiLU(), nn.Conv2d(6, 6, 3), nn.SiLU(), nn.Flatten(), nn.Linear(96, 5)
    )


def run(folder: Path | None, more: dict[str, Any], **extra: Any) -> Training:
    networks.build = network
    stream = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (60, 1, 8, 8), generator=stream, dtype=torch.uint8)
    recipe = check_recipe(FIELDS | more, "test")
    data = split(from_tensors(x, torch.arange(60) % 5), recipe)
    cpu = torch.device("cpu")
    assert data.validation is not None
    held_out = memory_feed(data.validation, CARD, recipe, cpu)
    feed = memory_feed(data.training, CARD, recipe, cpu)
    return Training(CARD, recipe, feed, held_out=held_out, folder=folder, **extra)


def curve(run: Training) -> list[list[float | None]]:
    """Loss, robust training accuracy and robust validation accuracy of every epoch."""
    return [[e.loss, e.train_robust, e.valid_robust] for e in run.train().log]


def alone() -> None:
    """Print the curves of one process with the whole batches."""
    print(json.dumps({name: curve(run(None, more)) for name, more in CASES.items()}))  # noqa: T201


def main(out: Path) -> None:
    told: dict[str, Any] = {}
    with processes("cpu") as ranks:
        for name, more in CASES.items():
            plain = run(None, more, ranks=ranks)
            counts = _count_reductions(plain)
            told[name] = curve(plain)
            updates = plain.position.step * plain.recipe.updates_per_step
            told[f"{name} exchanges"], told[f"{name} updates"] = counts[0], updates

        # One process is asked to stop; both do, at the same step, and go on together.
        noisy = {"attack_start": "uniform", **CASES["awp"]}
        undisturbed = run(None, noisy, ranks=ranks).train()
        asked = Hooks(should_stop=lambda: ranks.rank == 1)
        stopped = run(out.parent / "checkpoints", noisy, ranks=ranks, hooks=asked)
        try:
            stopped.train()
        except Stopped as error:
            told["stopped"] = str(error)
        resumed = run(out.parent / "checkpoints", noisy, ranks=ranks).train()
        same = all(torch.equal(t, undisturbed.tensors[n]) for n, t in resumed.tensors.items())
        told["resumed_is_identical"] = not any(ranks.any(not same))
        own = torch.rand(3, generator=stopped.stepper.generator)
        first, second = ranks.gather(own)
        told["streams_differ"] = not torch.equal(first, second)

        # Only the first process writes checkpoints; the other one looks on another disk.
        disk = out.parent / ("checkpoints" if ranks.is_first else "elsewhere")
        try:
            run(disk, noisy, ranks=ranks)
        except UsageError as error:
            told["refused"] = str(error)
        both_refuse = not any(ranks.any("all nodes share" not in told.get("refused", "")))
        assert both_refuse, "processes that start at different steps were let go on"
    if ranks.is_first:
        out.write_text(json.dumps(told))


def _count_reductions(run: Training) -> list[int]:
    """A list whose entry counts the gradient exchanges of the run."""
    counts = [0]
    parallel = run.stepper._parallel
    if isinstance(parallel, DistributedDataParallel):
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

        def counted(state, bucket):  # type: ignore[no-untyped-def]  # torch inspects annotations
            counts[0] += 1
            return allreduce_hook(state, bucket)

        parallel.register_comm_hook(None, counted)
    return counts


if __name__ == "__main__":
    alone() if len(sys.argv) == 1 else main(Path(sys.argv[1]))
