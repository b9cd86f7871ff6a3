"""`python -m eval.bench.spread`: whole runs by workers of Ray on this machine beside one process.

In turns, so that a machine that slows down slows all: one process with all threads, workers of one
thread each, and one worker with all threads, which costs what Ray alone costs. Each run is whole,
verdicts are compared, and what passes before the first attack is told apart from the attack.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import torch
from torch import nn

from eval.begin import begun
from eval.bench import tables
from eval.cpus import usable_cpus
from eval.data import open_data
from eval.executors.cluster import RayExecutor
from eval.factory import make_model, parse_options
from eval.files.writing import write_atomically
from eval.processor import instructions, processor
from eval.protocols import protocol
from eval.request import Request
from eval.threat import Threat

HEADER = (
    "model",
    "images",
    "attack",
    "processor",
    "contender",
    "repeats",
    "connect s",
    "begin s",
    "attack s",
    "attack, share of one process",
    "least and most share",
    "passes, share of one process",
    "other verdicts",
)


@dataclass
class Rival:
    """One way to run. workers: 0 for this process. The lists have a number for each repeat."""

    name: str
    workers: int
    threads: int
    connect: list[float] = field(default_factory=list)
    begin: list[float] = field(default_factory=list)
    attack: list[float] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    verdicts: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, model: nn.Module, request: Request) -> None:
        """Once, from nothing to the last verdict."""
        torch.set_num_threads(usable_cpus())
        started = time.perf_counter()
        with ExitStack() as stack:
            executor = None
            if self.workers:
                executor = RayExecutor("local", workers=self.workers, cpus_per_worker=self.threads)
                stack.enter_context(executor)
                executor.connect()
            connected = time.perf_counter()
            run = stack.enter_context(begun(model, request, executor=executor))
            ready = time.perf_counter()
            run.attack()
            ended = time.perf_counter()
            self.connect.append(connected - started)
            self.begin.append(ready - connected)
            self.attack.append(ended - ready)
            self.passes.append(sum(s.forwards + s.backwards for s in run.stage_results))
            self.verdicts.append(run.verdicts)

    def row(self, alone: Rival) -> tuple[object, ...]:
        """Beside the run of one process of the same repeat."""
        shares = [mine / its for mine, its in zip(self.attack, alone.attack, strict=True)]
        passes = [mine / its for mine, its in zip(self.passes, alone.passes, strict=True)]
        other = [
            sum(a != b for a, b in zip(mine, its, strict=True))
            for mine, its in zip(self.verdicts, alone.verdicts, strict=True)
        ]
        return (
            self.name,
            len(self.attack),
            f"{median(self.connect):.1f}",
            f"{median(self.begin):.1f}",
            f"{median(self.attack):.1f}",
            f"{median(shares):.3f}",
            f"{min(shares):.3f} to {max(shares):.3f}",
            f"{median(passes):.3f}",
            max(other),
        )


def rivals() -> tuple[Rival, ...]:
    """One process, and what this machine has room for; the first is what others are shares of."""
    n = usable_cpus()
    found = [Rival(f"one process of {n} threads", 0, n)]
    found.append(Rival(f"1 worker of {n} threads", 1, n))
    if n > 1:
        found.append(Rival(f"{n} workers of 1 thread", n, 1))
    return tuple(found)


def compared(model: nn.Module, request: Request, repeats: int) -> tuple[Rival, ...]:
    """Each rival `repeats` times, begun by another one each time."""
    every = rivals()
    for turn in range(repeats):
        for i in range(len(every)):
            every[(turn + i) % len(every)].run(model, request)
    return every


@click.command()
@click.option("--factory", required=True, help="MODULE:FUNCTION, called with the model's name.")
@click.option("--model", "name", required=True, help="The name that the factory is given.")
@click.option("--factory-option", "options", multiple=True, help="KEY=VALUE for the factory.")
@click.option("--data", required=True, help="As open_data has it.")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--n", type=click.IntRange(1), default=128, show_default=True)
@click.option("--attack", default="apgd-ce", show_default=True)
@click.option("--eps", required=True, help="As 8/255.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Add the rows, CSV, to this file.")
def command(
    factory: str,
    name: str,
    options: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    n: int,
    attack: str,
    eps: str,
    repeats: int,
    out: Path | None,
) -> None:
    """Whole runs by workers on this machine, beside one process with the same cores."""
    before = tables.earlier(out, HEADER)
    model = make_model(factory, parse_options(options), name=name)
    request = Request(
        data=open_data(data, data_dir=data_dir).take(n),
        threat=Threat.of("Linf", eps),
        protocol=protocol(attack),
        precision="fp32",
    )
    every = compared(model, request, repeats)
    cpu = torch.device("cpu")
    where = (name, n, attack, f"{processor(cpu)}, {instructions(cpu)}")
    rows = "".join(tables.line((*where, *one.row(every[0]))) for one in every)
    click.echo(tables.line(HEADER) + rows, nl=False)
    if out is not None:
        write_atomically(out, (before + rows).encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
