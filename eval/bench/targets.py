"""`python -m eval.bench.targets`: what targeted APGD breaks, target by target, in either order.

For the choice of `quick@1`: of the images that APGD on the cross-entropy leaves, how many still
stand after 1, 2, ... targets, the likeliest first or the nearest first. Asked of images that were
held out of training, or trained on: no choice is made by test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.attack import Attack
from eval.attacks.random import image_key
from eval.attacks.search import Task
from eval.bench import tables
from eval.data import ImageSet, open_data
from eval.engine.engine import Engine, build_engine
from eval.engine.heap import freed_memory_kept
from eval.factory import make_model
from eval.files.writing import write_atomically
from eval.protocols import protocol
from eval.threat import Threat
from eval.verify import predict, verify

HEADER = (
    "model",
    "data",
    "images",
    "clean",
    "loss",
    "steps",
    "order",
    "targets",
    "standing",
    "passes of a standing image",
)
ORDERS = {"likeliest": None, "nearest": 20}
"""Their `Stage.nearest_of`."""


@dataclass(frozen=True)
class Trial:
    """The model as it is, its copy that searches, and the ball."""

    model: nn.Module
    engine: Engine
    threat: Threat


def tasks(setup: Trial, data: ImageSet, stage: str) -> Task:
    """The images that the model gets right, with the keys of `stage`; all at once."""
    batch = data.batch(range(len(data)))
    logits = torch.cat([predict(setup.model, x) for x in torch.split(batch.x, 128)])
    ranking = logits.scatter(1, batch.y[:, None], -torch.inf).argsort(1, descending=True)
    keys = torch.tensor([image_key(0, one, stage) for one in batch.ids])
    whole = Task(torch.arange(len(batch.x)), batch.x, batch.y, keys, ranking[:, :-1])
    return whole.select(logits.argmax(1) == batch.y)


def fallen_at(setup: Trial, attack: Attack, whole: Task) -> Tensor:
    """(B,) by which run, 1, 2, ..., each image is first broken; 0 where none breaks it."""
    parts = torch.split(torch.arange(len(whole.y)), 128)
    return torch.cat([_fallen_at(setup, attack, whole.select(part)) for part in parts])


def _fallen_at(setup: Trial, attack: Attack, task: Task) -> Tensor:
    net, found = setup.engine.search, torch.zeros_like(task.y)
    task = attack.prepared(setup.engine.exact, task)
    for run in range(attack.n_runs):
        rows = (found == 0).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        left = task.select(rows)
        search = attack.start(net, left, torch.full_like(left.y, run))
        for _ in range(attack.n_steps):
            attack.advance(net, search)
        checked = verify(setup.model, left.x, search.candidate, left.y, setup.threat)
        found[rows[search.is_hit & checked.is_broken]] = run + 1
    return found


def table(
    model: nn.Module,
    data: ImageSet,
    threat: Threat,
    losses: tuple[str, ...],
    steps: tuple[int, ...],
    n_targets: int,
) -> list[tuple[object, ...]]:
    """The rows without the model's and the data's names."""
    first, second = protocol("quick").stages
    setup = Trial(
        model, build_engine(model, data.batch(range(min(len(data), 32))).x, "fp32"), threat
    )
    whole, rows = tasks(setup, data, first.name), list[tuple[object, ...]]()
    n_clean = len(whole)
    n_classes = whole.ranking.shape[1] + 1
    ce = build(first, threat, n_classes)
    standing = whole.position[fallen_at(setup, ce, whole) == 0]
    before = 2 * ce.most_passes().gradients
    rows.append((n_clean, first.loss, ce.n_steps, "", 0, len(standing), before))
    left = tasks(setup, data.select(standing.tolist()), second.name)
    for loss, n_steps, order in product(losses, steps, ORDERS):
        change = {
            "loss": loss,
            "steps": n_steps,
            "targets": min(n_targets, n_classes - 1),
            "nearest_of": ORDERS[order],
        }
        attack = build(second.model_copy(update=change), threat, n_classes)
        fallen, most = fallen_at(setup, attack, left), attack.most_passes()
        for n in range(1, attack.n_runs + 1):
            n_standing = int(((fallen == 0) | (fallen > n)).sum())
            cost = 2 * (n * most.gradients // attack.n_runs + most.exact_gradients)
            rows.append((n_clean, loss, n_steps, order, n, n_standing, before + cost))
    return rows


@click.command()
@click.option("--factory", required=True, help="MODULE:FUNCTION, called with the model's name.")
@click.option("--model", "name", required=True, help="The name that the factory is given.")
@click.option("--data", "data_name", required=True, help="Whose training split is attacked.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--held-out",
    type=click.IntRange(1),
    help="Of the training split, those that a recipe with so many validation_images holds out.",
)
@click.option("--n", type=click.IntRange(1), required=True, help="Images, the first of these.")
@click.option("--eps", required=True, help="Radius of the ball, as 8/255.")
@click.option("--norm", default="Linf", show_default=True, help="Linf or L2.")
@click.option(
    "--loss",
    "losses",
    type=click.Choice(["dlr-targeted", "margin-targeted"]),
    multiple=True,
    default=("dlr-targeted", "margin-targeted"),
    show_default=True,
)
@click.option("--steps", type=click.IntRange(1), multiple=True, default=(25, 50, 100))
@click.option("--targets", type=click.IntRange(1), default=9, show_default=True, help="At most.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of torch.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the rows, CSV, to this file.")
def command(
    factory: str,
    name: str,
    data_name: str,
    data_dir: Path | None,
    held_out: int | None,
    n: int,
    eps: str,
    norm: str,
    losses: tuple[str, ...],
    steps: tuple[int, ...],
    targets: int,
    threads: int,
    out: Path | None,
) -> None:
    """How many images stand after each target, the likeliest or the nearest first."""
    before = tables.earlier(out, HEADER)
    torch.set_num_threads(threads)
    data = open_data(data_name, data_dir=data_dir, split="train")
    if held_out is not None:
        data = data.subset(held_out, seed=0, balanced=True)
    data = data.take(n)
    with freed_memory_kept():
        rows = table(
            make_model(factory, name=name), data, Threat(norm, eps), losses, steps, targets
        )
    where = (name, f"{data.name} ({data.split})", len(data))
    found = "".join(tables.line((*where, *row)) for row in rows)
    click.echo(tables.line(HEADER) + found, nl=False)
    if out is not None:
        write_atomically(out, (before + found).encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
