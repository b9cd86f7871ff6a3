"""`sat-zoo train NAME`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.errors import UsageError
from zoo.registry import card
from zoo.train.recipe import read_recipe

if TYPE_CHECKING:
    from zoo.train.loop import EpochResult


@click.command(
    epilog="""\b
Examples:
  sat-zoo train resnet8-silu-sat-digits
  sat-zoo train resnet8-silu-sat-digits --out runs/digits
  sat-zoo eval resnet8-silu-sat-digits --weights runs/digits/model.safetensors"""
)
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the weights and the training log.  [default: runs/NAME]",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
def command(name: str, out: Path | None, data_dir: Path | None) -> None:
    """Train the model NAME from scratch by the recipe beside its card."""
    info = card(name)
    recipe = read_recipe(info)
    folder = out or Path("runs") / name
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file: name a folder")

    from eval.data import open_data
    from zoo.train.loop import train
    from zoo.train.result import save

    data = open_data(info.dataset, data_dir=data_dir, split="train")
    click.echo(f"training {name} on {len(data)} images for {recipe.epochs} epochs")
    started = time.perf_counter()
    log: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        log.append(result)
        seconds = time.perf_counter() - started
        left = seconds / result.epoch * (recipe.epochs - result.epoch)
        click.echo(
            f"epoch {result.epoch:3d}/{recipe.epochs}  loss {result.loss:.3f}"
            f"  train robust {100 * result.robust_accuracy:.1f} %  lr {result.lr:.4f}"
            f"  {left:.0f} s left"
        )

    whole = data.batch(range(len(data)))
    model = train(info, recipe, whole.x, whole.y, on_epoch=on_epoch)
    path, sha256 = save(folder, model, recipe, log)
    click.echo(f"weights written to {path}, sha256 {sha256}")
    click.echo(f"measure them with: sat-zoo eval {name} --weights {path}")
