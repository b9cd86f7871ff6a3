"""`python -m eval.bench.memory`: peak memory of an evaluation against the number of images.

Each run is a process of its own with a journal, as `sat-zoo eval` has one. The images are made when
they are asked for, so that nothing but the instrument can grow with their number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eval.bench import tables
from eval.bench.machine import MemoryPeak
from eval.data.base import ImageSet
from eval.data.decoded import Decoded
from eval.data.positions import Rows
from eval.evaluation import evaluate

CLASSES = 10
HEADER = ("images", "attack", "height and width", "peak MiB", "robust", "seconds")


@dataclass(frozen=True, eq=False)
class NoiseSource:
    """Noise pictures (3, size, size), each a function of its row alone."""

    size: int

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        shape = (3, self.size, self.size)
        return np.stack([np.random.default_rng(row).random(shape, np.float32) for row in rows])

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`."""
        return [""] * len(rows)


def noise_set(model: nn.Module, n: int, size: int) -> ImageSet:
    """`n` noise pictures that `model` classifies as their labels say."""
    source, rows = NoiseSource(size), np.arange(n)
    # In place: small results kept between large ones would leave holes in the heap.
    labels = np.empty(n, np.int64)
    with torch.inference_mode():
        for start in range(0, n, 128):
            part = slice(start, start + 128)
            labels[part] = model(torch.from_numpy(source.read(rows[part]))).argmax(1).numpy()
    return ImageSet(
        name="noise",
        split="test",
        ids=tuple(map(str, range(n))),
        labels=labels,
        n_classes=CLASSES,
        official_subset=False,
        source=Decoded(source, limit_bytes=0),  # what is kept of them is not what is measured
        rows=rows,
    )


def small_net() -> nn.Module:
    """A network with random weights; some of its noise images are weak and some are strong."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(512, CLASSES),
    ).eval()


def measure(n: int, size: int, attack: str, eps: str) -> tuple[object, ...]:
    """One run in this process; a row of the table."""
    model = small_net()
    images = noise_set(model, n, size)
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(model, images, attack=attack, eps=eps, journal=Path(folder))
    peak = MemoryPeak(torch.device("cpu")).read()
    mib = "unknown" if peak is None else round(peak / 2**20)
    robust = report.robust.correct if report.robust else None
    return (n, attack, size, mib, robust, round(report.seconds))


@click.command()
@click.option("--n", "counts", type=click.IntRange(1), multiple=True, default=(1000, 50_000))
@click.option("--size", type=click.IntRange(4), default=32, show_default=True, help="In pixels.")
@click.option("--attack", default="pgd-10", show_default=True)
@click.option("--eps", default="1/255", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the table, CSV, to this file.")
@click.option("--here", is_flag=True, hidden=True)
def command(
    counts: tuple[int, ...], size: int, attack: str, eps: str, out: Path | None, here: bool
) -> None:
    """Peak memory of evaluations of N noise pictures by a small network, one process each."""
    if here:
        click.echo(tables.line(measure(counts[0], size, attack, eps)), nl=False)
        return
    common = ["--size", str(size), "--attack", attack, "--eps", eps]
    runs = [["--n", str(n), *common] for n in counts]
    tables.of_processes("eval.bench.memory", HEADER, runs, out)


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
