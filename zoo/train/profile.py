"""Where the time of a training step goes, and how far that is from what the machine can do.

    python -m zoo.train.profile --model resnet18-w16-silu-sat-cifar10

The roof is the step in which convolutions run as fast as a large matrix product does in the same
run, and nothing else takes time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click
import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity

from eval.bench import tables
from eval.bench.machine import matmul_peak
from eval.engine.heap import freed_memory_kept
from eval.processor import instructions, processor
from zoo.cards import ModelCard
from zoo.registry import card
from zoo.train.distributed import Ranks
from zoo.train.plan import passes, random_batch, replace_batch
from zoo.train.recipe import Recipe, read_recipe
from zoo.train.step import begin

KINDS = {
    "optimizer": ("optimizer.step", "lerp"),
    "convolutions": ("conv",),
    "batch norm": ("batch_norm", "batchnorm"),
    "activations": ("silu", "elu", "softplus", "mish", "threshold", "clamp_min"),
}
"""What an operation is, by a part of its name or of one that it is part of; the first that fits.

Weight averaging, by lerp, counts to the optimizer. ReLU is clamp_min, and threshold backwards.
"""
REST = "all else"


@dataclass(frozen=True)
class Profile:
    """Of one step on a batch of noise.

    seconds: by kind, of the operations themselves. gflops: of the convolutions together, 10^9 a
    second. peak: of a matrix product in this run, likewise. roof: images/s, see above.
    """

    batch_size: int
    seconds: dict[str, float]
    gflops: float
    peak: float
    roof: float

    @property
    def images_per_second(self) -> float:
        """Of the whole step, while it is watched."""
        return self.batch_size / sum(self.seconds.values())

    def lines(self) -> list[str]:
        """A Markdown table, and two sentences."""
        whole = sum(self.seconds.values())
        rows = [
            f"| {kind} | {1e3 * spent:.0f} | {100 * spent / whole:.0f} |"
            for kind, spent in sorted(self.seconds.items(), key=lambda item: -item[1])
        ]
        return [
            "| of a step | ms | % |",
            "|---|---|---|",
            *rows,
            "",
            f"convolutions run at {self.gflops:.0f} of {self.peak:.0f} GFLOP/s;"
            f" {self.images_per_second:.0f} images/s, the roof is {self.roof:.0f}",
        ]


def profile(info: ModelCard, recipe: Recipe, device: torch.device, steps: int) -> Profile:
    """Watch `steps` steps of the trainer, after two that warm up.

    Raises `UsageError` as training does for a recipe that cannot be.
    """
    stepper = begin(info, recipe, 1000, Ranks(device=device))
    x, y = random_batch(info, recipe, device)
    n = len(x)

    def step() -> None:
        stepper.take(x, y, n, step=1, epoch=1)

    with freed_memory_kept():
        spent = _watched(step, device, steps)
        peak = matmul_peak(device, torch.float32)
    arithmetic = 2e-9 * (info.flops or 0) * passes(recipe) * n
    return Profile(
        batch_size=n,
        seconds=spent,
        gflops=arithmetic / spent["convolutions"] if spent.get("convolutions") else 0.0,
        peak=peak,
        roof=n * peak / arithmetic if arithmetic else float("inf"),
    )


def kind_of(names: list[str]) -> str:
    """The kind of an operation, from its name and those that it is part of."""
    said = " ".join(names).lower()
    return next((kind for kind, parts in KINDS.items() if any(p in said for p in parts)), REST)


def _watched(step: Callable[[], None], device: torch.device, steps: int) -> dict[str, float]:
    """Seconds of a step by kind."""
    for _ in range(2):
        step()
    is_cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with torch.profiler.profile(activities=activities) as watched:
        for _ in range(steps):
            step()
    found: dict[str, float] = {}
    for event in watched.events():
        spent = event.self_device_time_total if is_cuda else event.self_cpu_time_total
        kind = kind_of(_names(event))
        found[kind] = found.get(kind, 0.0) + spent / 1e6 / steps
    return found


def _names(event: FunctionEvent | None) -> list[str]:
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    return names


@click.command()
@click.option("--model", default="resnet18-w16-silu-sat-cifar10", show_default=True)
@click.option("--batch-size", type=click.IntRange(min=2), help="[default: the recipe's]")
@click.option("--steps", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change the recipe.")
@click.option("--device", default="cpu", show_default=True)
def command(
    model: str, batch_size: int | None, steps: int, overrides: tuple[str, ...], device: str
) -> None:
    """Say where the time of a training step goes."""
    info = card(model)
    recipe = read_recipe(info, overrides)
    recipe = replace_batch(recipe, batch_size or recipe.batch_size)
    where = torch.device(device)
    found = profile(info, recipe, where, steps)
    threads = f"{torch.get_num_threads()} threads, {instructions(where) or 'GPU'}"
    click.echo(
        f"{model}, batch {found.batch_size}, {passes(recipe)} passes, {processor(where)},"
        f" {threads}, torch {torch.__version__}\n"
    )
    click.echo("\n".join(found.lines()))


if __name__ == "__main__":
    tables.run(command)
