"""What a recipe costs and what it is worth: models trained by several seeds, each measured once.

    python -m zoo.train.trials resnet8-silu-sat-digits resnet8-silu-sat-free-digits --out trials.csv

Seeds take turns, so that a file that was left half-way compares all models by the same seeds. The
rows that a file has already are not made again.
"""

from __future__ import annotations

import csv
import io
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import get_type_hints

import click
import torch

from eval.bench import tables
from eval.errors import ReportError
from eval.files.writing import write_atomically
from eval.processor import processor
from eval.report.percent import percent
from zoo.registry import card
from zoo.train.distributed import Ranks
from zoo.train.plan import passes
from zoo.train.recipe import read_recipe, run_by
from zoo.train.record.result import WEIGHTS
from zoo.train.start import Options, train_model


@dataclass(frozen=True)
class SeedTrial:
    """One training and what came of it.

    passes: through the network for each training image, in the whole run. cpu_seconds: of all
    threads, decoding and validation included.
    right, robust: images of all `images`; robust under `attack`.
    """

    model: str
    recipe: str
    seed: int
    passes: int
    cpu_seconds: float
    attack: str
    images: int
    right: int
    robust: int
    processor: str
    torch: str


HEADER = tuple(field.name for field in fields(SeedTrial))


def trial(name: str, seed: int, attack: str) -> SeedTrial:
    """Train the model `name` by the seed, and attack it on its whole test split.

    Raises what training and `zoo.evaluate` do.
    """
    import zoo

    info = run_by(card(name), seed)
    recipe = read_recipe(info)
    cpu = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        options = Options(out=Path(folder) / "run")
        started = time.process_time()
        run = train_model(info, recipe, options, Ranks(device=cpu), _silent)
        spent = time.process_time() - started
        report = zoo.evaluate(name, weights=run / WEIGHTS, attack=attack, journal=None)
    return SeedTrial(
        model=name,
        recipe=info.recipe or "",
        seed=seed,
        passes=passes(recipe) * recipe.epochs,
        cpu_seconds=round(spent, 1),
        attack=attack,
        images=report.clean.n,
        right=report.clean.correct,
        robust=(report.robust or report.clean).correct,
        processor=processor(cpu),
        torch=torch.__version__,
    )


def read(text: str) -> list[SeedTrial]:
    """The trials of a table that `command` wrote. Raises `ReportError` for another text."""
    kinds = get_type_hints(SeedTrial)
    rows = csv.DictReader(io.StringIO(text))
    try:
        return [
            SeedTrial(**{name: kinds[name](value) for name, value in row.items()}) for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError("the file holds no table of trials: name another `out`") from error


def table(rows: Sequence[SeedTrial], names: Sequence[str], attack: str) -> str:
    """Markdown, a row for each of `names`: what it cost, what each seed found, and their mean."""
    lines = ["| model | passes | CPU seconds | robust images | mean |", "|---|---|---|---|---|"]
    for name in names:
        own = [row for row in rows if (row.model, row.attack) == (name, attack)]
        own.sort(key=lambda row: row.seed)
        found = ", ".join(str(row.robust) for row in own)
        mean = statistics.fmean(row.robust / row.images for row in own)
        spent = statistics.median(row.cpu_seconds for row in own)
        lines.append(f"| `{name}` | {own[0].passes} | {spent:.0f} | {found} | {percent(mean)} % |")
    return "\n".join(lines)


def _silent(_: str) -> None:
    """Say nothing."""


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True)
@click.option("--attack", default="pgd-50", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Add the rows, CSV, to this file.")
def command(names: tuple[str, ...], seeds: tuple[int, ...], attack: str, out: Path | None) -> None:
    """Train each model by each seed, attack it on all test images, and print a table."""
    for name in names:
        read_recipe(card(name))
    text = tables.earlier(out, HEADER)
    known = {(one.model, one.seed, one.attack) for one in read(text)}
    for seed in seeds:
        for name in names:
            if (name, seed, attack) in known:
                continue
            row = tables.line(astuple(trial(name, seed, attack)))
            text += row
            click.echo(row, nl=False)
            if out is not None:
                write_atomically(out, text.encode())
    click.echo("\n" + table(read(text), names, attack))


if __name__ == "__main__":
    tables.run(command)
