"""Images a second of our training step beside a plain PyTorch loop around torchattacks' PGD.

    python -m zoo.train.bench --model resnet18-w16-silu-sat-cifar10 --batch-size 128 --steps 2

The same network, batch, attack and number of steps; the variants take turns in one process, so
that whatever else the machine does meets all of them. Needs torchattacks: pip install --no-deps
torchattacks
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import torch
import torch.nn.functional as F

from eval.arguments import as_options
from eval.cpus import usable_cpus
from eval.errors import SatZooError, UsageError
from zoo import networks
from zoo.cards import ModelCard
from zoo.model import ZooModel
from zoo.registry import card
from zoo.train.distributed import Ranks
from zoo.train.objective.inner import Inner
from zoo.train.plan import random_batch, replace_batch
from zoo.train.recipe import Recipe, read_recipe
from zoo.train.step import begin

Step = Callable[[], object]


@dataclass(frozen=True)
class StepTiming:
    """Seconds of the rounds of one variant."""

    name: str
    batch_size: int
    seconds: list[float]

    @property
    def best(self) -> float:
        """Images a second in the least disturbed round."""
        return self.batch_size / min(self.seconds)

    @property
    def median(self) -> float:
        """Images a second in the middle round."""
        return self.batch_size / statistics.median(self.seconds)


def measure(
    info: ModelCard, recipe: Recipe, *, rounds: int, device: torch.device
) -> list[StepTiming]:
    """Time one training step of each variant, in turns, after a round that warms up.

    The first variant is the plain loop. Raises `UsageError` if torchattacks is not installed.
    """

    def ours(**changes: object) -> Step:
        return _ours(info, recipe, device, **changes)

    steps = {
        "plain loop, torchattacks PGD, fp32": _plain(info, recipe, device),
        "ours, fp32": ours(precision="fp32", channels_last=False, attack_folded=False),
        "ours, fp32, channels_last": ours(precision="fp32", attack_folded=False),
        "ours, fp32, channels_last, folded attack": ours(precision="fp32"),
        "ours, bf16, channels_last, folded attack": ours(precision="bf16"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            spent = _timed(step, device)
            if number:
                seconds[name].append(spent)
    return [StepTiming(name, recipe.batch_size, spent) for name, spent in seconds.items()]


def table(timings: list[StepTiming]) -> str:
    """A Markdown table; the ratios are to the first row, of best to best round."""
    lines = ["| step | images/s, best round | median | x |", "|---|---|---|---|"]
    for timing in timings:
        ratio = timing.best / timings[0].best
        lines.append(f"| {timing.name} | {timing.best:.0f} | {timing.median:.0f} | {ratio:.2f} |")
    return "\n".join(lines)


def _plain(info: ModelCard, recipe: Recipe, device: torch.device) -> Step:
    """What one writes down first: torchattacks' PGD, then loss, backward and SGD, all in fp32."""
    try:
        torchattacks = importlib.import_module("torchattacks")
    except ImportError as error:
        raise UsageError(
            "the bench compares with torchattacks, which is not installed: pip install --no-deps"
            " torchattacks"
        ) from error
    inner = Inner.of(recipe)
    model = ZooModel(networks.build(info), info, None).to(device).train()
    attack = torchattacks.PGD(
        model, eps=inner.threat.eps, alpha=inner.step_size, steps=inner.n_steps, random_start=True
    )
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=1e-3,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    x, y = random_batch(info, recipe.model_copy(update={"channels_last": False}), device)

    def step() -> None:
        x_adv = attack(x, y)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x_adv), y, label_smoothing=recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _ours(info: ModelCard, recipe: Recipe, device: torch.device, **changes: object) -> Step:
    """The trainer's step, weight average included where the recipe has one."""
    own = recipe.model_copy(update={"channels_last": True, "attack_folded": True, **changes})
    stepper = begin(info, own, 1000, Ranks(device=device))
    x, y = random_batch(info, own, device)
    return lambda: stepper.take(x, y, len(x), step=1, epoch=1)


def _timed(step: Step, device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    step()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@click.command()
@click.option("--model", default="resnet18-w16-silu-sat-cifar10", show_default=True)
@click.option("--batch-size", type=click.IntRange(min=2), default=128, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=2, show_default=True, help="Of PGD.")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def command(model: str, batch_size: int, steps: int, rounds: int, device: str) -> None:
    """Compare the training steps and print a table."""
    info = card(model)
    recipe = replace_batch(read_recipe(info), batch_size)
    recipe = recipe.model_copy(update={"attack_steps": steps, "lr": 1e-3})
    timings = measure(info, recipe, rounds=rounds, device=torch.device(device))
    click.echo(
        f"{model}, batch {batch_size}, PGD-{steps}, {rounds} rounds in turns, {device},"
        f" {torch.get_num_threads()} threads of {usable_cpus()} CPUs, torch {torch.__version__}\n"
    )
    click.echo(table(timings))


if __name__ == "__main__":
    try:
        command(standalone_mode=False)
    except (SatZooError, click.ClickException) as problem:
        click.echo(f"sat-zoo: {as_options(str(problem))}", err=True)
        raise SystemExit(problem.exit_code) from None
