"""`python -m eval.bench.batches`: what a row of a batch costs, against the rows in the batch.

Timed is the copy of the model that searches, forward and gradient, with 1x1 convolutions left to
torch's choice and with ours, in turns, so that a machine that slows down slows all of them. Counted
is the processor's time where there is one thread, which others change less, else the clock's.
"""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from statistics import median
from unittest import mock

import click
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from eval.bench import tables
from eval.engine import pointwise
from eval.engine.engine import build_engine
from eval.engine.heap import freed_memory_kept
from eval.engine.net import Net
from eval.errors import SatZooError
from eval.factory import make_model, parse_options
from eval.files.writing import write_atomically
from eval.processor import processor

HEADER = (
    "model",
    "height and width",
    "processor",
    "threads",
    "rows",
    "torch's choice: convolutions by oneDNN",
    "torch's choice: forward ms a row",
    "torch's choice: gradient ms a row",
    "ours: convolutions by oneDNN",
    "ours: forward ms a row",
    "ours: gradient ms a row",
    "padded to 16: forward ms a row",
    "padded to 16: gradient ms a row",
)
FULL = 16
"""Rows from which on torch gives 1x1 convolutions to oneDNN with one thread too."""

OURS, TORCHS = pointwise.FEW_ROWS, range(0)
"""The numbers of rows for which 1x1 convolutions are given to oneDNN although torch would not."""


def by_onednn(net: Net, x: Tensor) -> str:
    """How many of the convolutions of a forward oneDNN computes, "20 of 53"."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        net.logits(x)
    counts = {event.key: event.count for event in seen.key_averages()}
    return f"{counts.get('aten::mkldnn_convolution', 0)} of {counts.get('aten::convolution', 0)}"


def timed(net: Net, x: Tensor) -> tuple[float, float]:
    """Milliseconds a row of a forward and of a gradient of x (B, C, H, W)."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    net.logits(x)
    between = clock()
    net.gradient(x, lambda logits: logits[:, 0])
    ended = clock()
    return 1000 * (between - started) / len(x), 1000 * (ended - between) / len(x)


def rows(model: nn.Module, size: int, sizes: tuple[int, ...], repeats: int) -> list[list[object]]:
    """The table of one model, without the columns that say what was measured where."""
    sizes = tuple(sorted({*sizes, FULL}))
    x = torch.rand(sizes[-1], 3, size, size, generator=torch.Generator().manual_seed(0))
    engine = build_engine(model, x[:4], "fp32")
    if not engine.is_copy:
        raise SatZooError(f"there is no fast copy of the model: {engine.warning}")
    net, kernels = engine.search, dict[tuple[int, range], str]()
    times: dict[tuple[int, range], list[tuple[float, float]]] = {}
    with freed_memory_kept():
        for turn in range(repeats + 1):  # the first is to warm up
            for n, few in product(sizes, (TORCHS, OURS) if turn % 2 else (OURS, TORCHS)):
                with mock.patch.object(pointwise, "FEW_ROWS", few):
                    if turn:
                        times.setdefault((n, few), []).append(timed(net, x[:n]))
                    else:
                        kernels[n, few] = by_onednn(net, x[:n])
    table: list[list[object]] = []
    for n in sizes:
        cells: list[object] = [n]
        for few in (TORCHS, OURS):
            cells += [kernels[n, few], *_medians(times[n, few])]
        is_padded = n < FULL
        cells += _medians(times[FULL, TORCHS], FULL / n) if is_padded else ["", ""]
        table.append(cells)
    return table


def _medians(times: list[tuple[float, float]], factor: float = 1.0) -> list[str]:
    return [f"{factor * median(column):.1f}" for column in zip(*times, strict=True)]


@click.command()
@click.option("--factory", required=True, help="MODULE:FUNCTION, called with the model's name.")
@click.option("--model", "name", required=True, help="The name that the factory is given.")
@click.option("--factory-option", "options", multiple=True, help="KEY=VALUE for the factory.")
@click.option("--size", type=click.IntRange(4), default=224, show_default=True, help="In pixels.")
@click.option("--rows", "sizes", type=click.IntRange(1), multiple=True, default=(1, 2, 4, 8, 15))
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of torch.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Add the rows, CSV, to this file.")
def command(
    factory: str,
    name: str,
    options: tuple[str, ...],
    size: int,
    sizes: tuple[int, ...],
    threads: int,
    repeats: int,
    out: Path | None,
) -> None:
    """What a row costs in batches of few rows, on this processor."""
    before = tables.earlier(out, HEADER)
    torch.set_num_threads(threads)
    model = make_model(factory, parse_options(options), name=name)
    where = (name, size, processor(torch.device("cpu")), threads)
    table = "".join(tables.line((*where, *row)) for row in rows(model, size, sizes, repeats))
    click.echo(tables.line(HEADER) + table, nl=False)
    if out is not None:
        write_atomically(out, (before + table).encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
