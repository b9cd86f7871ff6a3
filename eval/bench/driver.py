"""`python -m eval.bench.driver`: what a driver of many workers can take, in verdicts a second.

The run is whole: clean pass, ledger, journal on disk, progress and report flags, over the fleet
that a cluster has. Its workers are simulated: they answer at once with verdicts that are made up,
so that nothing but the driver takes time. Each run is a process of its own.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eval.bars import shown
from eval.begin import begun
from eval.bench import tables
from eval.bench.machine import MemoryPeak
from eval.bench.simulated import Simulated
from eval.data.base import ImageSet
from eval.data.positions import Rows
from eval.data.prints import N_BYTES, Prints
from eval.errors import SatZooError
from eval.executors.cluster.admission import Admission
from eval.executors.cluster.crew import RemoteCrew
from eval.executors.cluster.fleet import Fleet
from eval.protocols import protocol
from eval.request import Request
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.data.base import Opening
    from eval.engine.classifier import Classifier

CLASSES = 10
BROKEN_EVERY = 100
"""One image of so many is broken."""

HEADER = (
    "images",
    "workers",
    "seconds",
    "verdicts a second",
    "CPU microseconds a verdict",
    "MiB before",
    "peak MiB",
    "bytes an image kept",
    "bytes a verdict sent",
    "robust",
)


@dataclass(frozen=True, eq=False)
class NoPixels:
    """Pictures that nobody looks at: (3, 8, 8), all of one grey."""

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        return np.full((len(rows), 3, 8, 8), 0.5, np.float32)

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`."""
        return [""] * len(rows)

    def prints(self, rows: Rows) -> Prints:
        """See `KnowsPrints`."""
        return Prints("0" * 64, np.zeros((len(rows), N_BYTES), np.uint8))


class Mean(nn.Module):
    """Logits (B, `CLASSES`) of the mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """See there."""
        logits: Tensor = self.last(x.mean((2, 3)))
        return logits


def pictures(n: int) -> ImageSet:
    """`n` of them, with ids and labels."""
    return ImageSet(
        name="none",
        split="test",
        ids=tuple(f"{i:08}.png" for i in range(n)),
        labels=np.arange(n) % CLASSES,
        n_classes=CLASSES,
        official_subset=False,
        source=NoPixels(),
        rows=np.arange(n),
    )


@dataclass(eq=False)
class Simulation:
    """A `Workplace` of `n` simulated workers."""

    n: int
    transport: Simulated

    def connect(self) -> None:
        """There is nothing to reach."""

    def images(self, opening: Opening) -> ImageSet:
        """Those that it opens here."""
        return opening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def crew(self, model: Classifier, request: Request) -> Iterator[RemoteCrew]:
        """See `eval.executors.crew.Workplace`."""
        fleet = Fleet(self.transport, self.n, "cpu", lambda _: None)
        admission = Admission.of(model, request, "cpu", pickle.dumps, lambda value: value)
        self.transport.logits, self.transport.weights = admission.logits, admission.weights
        fleet.assign(admission)
        try:
            yield RemoteCrew(fleet, model, request)
        finally:
            fleet.close()


def measure(n: int, n_workers: int) -> tuple[object, ...]:
    """One run in this process; a row of the table.

    What the workers would have done, somewhere else, is not counted. On a machine with other work
    to do the CPU's time says more than the seconds do.
    """
    torch.manual_seed(0)
    model, images = Mean().eval(), pictures(n)
    transport = Simulated(images.labels, CLASSES, lambda _, position: not position % BROKEN_EVERY)
    memory = MemoryPeak(torch.device("cpu"))
    with (
        tempfile.TemporaryDirectory() as folder,
        shown(True, None) as tell,
        begun(
            model,
            Request(images, Threat("Linf", "8/255"), protocol("pgd-20"), journal=Path(folder)),
            executor=Simulation(n_workers, transport),
            on_progress=tell,
        ) as run,
    ):
        memory.restart()
        before, simulated = memory.read(), transport.seconds
        started, cpu_started = time.perf_counter(), time.process_time()
        run.attack()
        robust = run.ledger.n_right
    # Behind the block: by now the last verdict is on the disk.
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    peak, simulated = memory.read(), transport.seconds - simulated
    if before is None or peak is None:
        raise SatZooError("this system does not tell how much memory a process takes: use Linux")
    return (
        n,
        n_workers,
        round(seconds - simulated, 1),
        round(n / (seconds - simulated)),
        round(1e6 * (cpu - simulated) / n, 1),
        round(before / 2**20),
        round(peak / 2**20),
        round((peak - before) / n),
        round(transport.n_bytes / transport.n_verdicts, 1),
        robust,
    )


@click.command()
@click.option(
    "--images", "counts", type=click.IntRange(100), multiple=True, default=(100_000, 1_000_000)
)
@click.option("--workers", type=click.IntRange(1), default=64, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the table, CSV, to this file.")
@click.option("--here", is_flag=True, hidden=True)
def command(counts: tuple[int, ...], workers: int, out: Path | None, here: bool) -> None:
    """Verdicts a second, and memory, of a driver whose workers take no time, a process a row."""
    if here:
        click.echo(tables.line(measure(counts[0], workers)), nl=False)
        return
    runs = [["--images", str(n), "--workers", str(workers)] for n in counts]
    tables.of_processes("eval.bench.driver", HEADER, runs, out)


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
