"""`python -m eval.data.bench`: is the pipeline of pictures ever slower than the model it feeds?

Decoding and preprocessing alone, with more and more worker processes, beside the model's forward
and gradient passes; and the memory of all processes together.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from eval.arguments import as_options
from eval.data import ImageSet, open_data
from eval.errors import SatZooError, UsageError
from eval.factory import make_model, parse_options

_LOOK_S = 0.1

EXAMPLE = """\b
Example:
  python -m eval.data.bench --data folder --data-dir ~/pictures --n 120
      --preprocess zoo.preprocess:Pipeline --preprocess-option kind=resnet-opencv
      --preprocess-option size=224 --factory zoo:load --model resnet50-silu-sat
      --factory-option pretrained=false"""


@dataclass(frozen=True)
class Row:
    """One line of the table. peak_bytes: of all processes above what was there before."""

    what: str
    n_images: int
    seconds: float
    peak_bytes: int | None

    @property
    def per_second(self) -> float:
        """Images."""
        return self.n_images / self.seconds


@click.command(epilog=EXAMPLE)
@click.option("--data", "name", default="imagenet", show_default=True, help="Data set.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option("--n", type=click.IntRange(1), help="Only N images.  [default: all]")
@click.option("--preprocess", help="MODULE:NAME that makes the preprocessing.")
@click.option("--preprocess-option", multiple=True, metavar="KEY=VALUE", help="For it.")
@click.option("--decoders", type=click.IntRange(0), multiple=True, default=(0, 1, 2))
@click.option("--factory", help="MODULE:FUNCTION that makes the model.  [default: no model]")
@click.option("--model", help="The name that the factory is given.")
@click.option("--factory-option", multiple=True, metavar="KEY=VALUE", help="For it.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def command(
    name: str,
    data_dir: Path | None,
    n: int | None,
    preprocess: str | None,
    preprocess_option: tuple[str, ...],
    decoders: tuple[int, ...],
    factory: str | None,
    model: str | None,
    factory_option: tuple[str, ...],
    batch_size: int,
    repeats: int,
    device: str,
) -> None:
    """Images a second of the pipeline alone and of the model, and peak memory, as a table."""
    options = parse_options(preprocess_option, "--preprocess-option")
    make = _named(preprocess) if preprocess else None

    def opened(n_decoders: int) -> ImageSet:
        pipeline = make(**options) if make else None
        images = open_data(
            name, data_dir=data_dir, preprocess=pipeline, allow_partial=True, n_decoders=n_decoders
        )
        return images if n is None else images.subset(n, seed=0)

    opened(0).batch([0])  # what is imported by the first picture is no part of the pipeline
    rows = [time_pipeline(opened(count), count, batch_size) for count in decoders]
    if factory is not None:
        network = make_model(factory, parse_options(factory_option), name=model)
        rows += time_model(network, opened(0), batch_size, repeats, device)
    click.echo(table(rows))


def time_pipeline(images: ImageSet, n_decoders: int, batch_size: int) -> Row:
    """One pass over all `images`, which nobody has decoded before."""
    with _peak() as peak:
        started = time.perf_counter()
        n = sum(len(batch) for batch in images.batches(batch_size))
        seconds = time.perf_counter() - started
    return Row(f"pipeline, {n_decoders} decoders", n, seconds, peak())


def time_model(
    network: Any, images: ImageSet, batch_size: int, repeats: int, device: str
) -> list[Row]:
    """The best of `repeats` passes of one batch: forward, and forward with input gradient."""
    import torch

    from eval.checks import usable_device

    place = usable_device(device)
    network.to(place)
    x = images.batch(range(min(batch_size, len(images)))).x.to(place)

    def forward() -> None:
        with torch.inference_mode():
            network(x).sum().item()

    def gradient() -> None:
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(network(leaf).sum(), leaf)[0].sum().item()

    rows = []
    for what, step in (("model, forward", forward), ("model, forward + gradient", gradient)):
        with _peak() as peak:
            step()
            seconds = min(_seconds(step) for _ in range(repeats))
        rows.append(Row(what, len(x), seconds, peak()))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| what | images | images / s | peak memory, MB |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        peak = "unknown" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}"
        lines.append(f"| {row.what} | {row.n_images} | {row.per_second:,.1f} | {peak} |")
    return "\n".join(lines)


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"--preprocess {path!r} cannot be found ({error}): give MODULE:NAME, as"
            " zoo.preprocess:Pipeline"
        ) from error
    return found


def _seconds(step: Callable[[], None]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


@contextmanager
def _peak() -> Iterator[Callable[[], int | None]]:
    """Watch the memory of this process and of those it starts; call the result for the peak."""
    before, seen, is_over = _memory(), [0], threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_S):
            seen.append(_memory() or 0)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: None if before is None else max(0, max(*seen, _memory() or 0) - before)
    finally:
        is_over.set()
        watcher.join()


def _memory() -> int | None:
    """Bytes of this process and its children, shared pages counted once; None if untold."""
    mine = os.getpid()
    try:
        children = [
            int(pid)
            for task in Path(f"/proc/{mine}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        return sum(map(_proportional, [mine, *children]))
    except OSError:
        return None


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def main() -> None:
    """Run the command; an error of ours is one sentence on stderr and its own exit code."""
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SatZooError as error:
        click.echo(f"eval.data.bench: {as_options(str(error))}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
