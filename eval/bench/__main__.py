"""`python -m eval.bench`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Literal

import click
import torch

from eval.arguments import as_options
from eval.bench import table
from eval.bench.contenders import Setup
from eval.bench.runner import run_bench
from eval.checks import usable_device
from eval.data import open_data
from eval.ending import MOST_POINTS, EarlyEnd
from eval.errors import SatZooError, UsageError
from eval.factory import make_model, parse_options
from eval.files.writing import check_writable
from eval.protocols import Protocol, protocol
from eval.threat import Threat

EXAMPLE = """\b
Example:
  python -m eval.bench --factory zoo:load --model resnet8-silu-sat-digits
      --data digits --eps 3/16 --repeats 3 --write-readme"""


@click.command(epilog=EXAMPLE)
@click.option("--factory", help="MODULE:FUNCTION that is called with the model's name.")
@click.option("--model", "name", help="The name that the factory is given.")
@click.option(
    "--factory-option", "options", multiple=True, help="KEY=VALUE that the factory is given too."
)
@click.option("--data", "data_name", default="digits", show_default=True, help="Data set.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option("--n", type=int, help="Only the first N images.  [default: all]")
@click.option(
    "--attack", default="autoattack", show_default=True, help="One of AutoAttack's, or none."
)
@click.option("--pgd", default="pgd-50", show_default=True, help="pgd-K, or none.")
@click.option("--norm", default="Linf", show_default=True, help="Linf or L2.")
@click.option("--eps", default="8/255", show_default=True, help="Radius of the ball.")
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(["fp32", "bf16", "auto"]),
    multiple=True,
    default=("fp32", "bf16"),
    show_default=True,
    help="Of our searches; may be given several times.",
)
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Of torch.  [default: torch's own]")
@click.option("--device", default="cpu", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the record, JSON, to this file."
)
@click.option(
    "--write-readme",
    is_flag=True,
    help="Keep the record in eval/bench_results and write all tables into eval/README.md;"
    " without --factory, only the latter.",
)
@click.option(
    "--answer",
    "points",
    type=float,
    metavar="POINTS",
    help="Also measure how soon ours has a valid interval of ± POINTS percentage points.",
)
@click.option("--steps", type=click.IntRange(1), hidden=True)
def command(
    factory: str | None,
    name: str | None,
    options: tuple[str, ...],
    data_name: str,
    data_dir: Path | None,
    n: int | None,
    attack: str,
    pgd: str,
    norm: str,
    eps: str,
    precisions: tuple[Literal["fp32", "bf16", "auto"], ...],
    batch_size: int,
    repeats: int,
    seed: int,
    threads: int | None,
    device: str,
    out: Path | None,
    write_readme: bool,
    points: float | None,
    steps: int | None,
) -> None:
    """Compare our engine with the AutoAttack authors' package, and our PGD with others'.

    All run on the same images with the same seed in one process, stage by stage in turns.
    """
    stages = _autoattack(attack, steps)
    ending = None if points is None else _ending(points, stages)
    if factory is None:
        if not write_readme or ending is not None:
            raise UsageError("--factory is missing: give for example --factory zoo:load")
        table.write_readme()
        return
    if threads is not None:
        torch.set_num_threads(threads)
    pgd_stages = None if pgd == "none" else _with_steps(protocol(pgd), steps)
    if not stages.stages and pgd_stages is None:
        raise UsageError("--attack none and --pgd none leave nothing to compare: give one of them")
    place = usable_device(device)
    data = open_data(data_name, data_dir=data_dir)
    if write_readme and out is None:
        table.RESULTS.mkdir(exist_ok=True)
        model_name = name or factory.replace(":", ".")
        what = "" if stages.stages else f"-{pgd}"
        out = table.RESULTS / f"{data.name}-{model_name}{what}-{place.type}.json"
    if out is not None:
        check_writable(out)
    setup = Setup(
        model=make_model(factory, parse_options(options), name=name).to(place),
        name=name or factory,
        data=data if n is None else data.take(n),
        protocol=stages,
        threat=Threat(norm, eps),
        seed=seed,
        batch_size=batch_size,
        device=place,
    )
    record = run_bench(
        setup,
        pgd=pgd_stages,
        precisions=precisions,
        repeats=repeats,
        command=shlex.join(["python", "-m", "eval.bench", *sys.argv[1:]]),
        say=lambda text: click.echo(text, err=True),
        ending=ending,
    )
    if out is not None:
        record.write(out)
    if write_readme:
        table.write_readme()
    click.echo(table.markdown(record, out.name if out else "not kept"))


def _ending(points: float, stages: Protocol) -> EarlyEnd:
    if not 0 < points < MOST_POINTS:
        raise UsageError(
            f"--answer {points:g} is no half width of an interval in percentage points:"
            f" give a number above 0 and below {MOST_POINTS}, such as 1"
        )
    if not stages.stages:
        raise UsageError("--answer is the time of an attack, and --attack none is none: name one")
    return EarlyEnd(points=points)


def _autoattack(name: str, steps: int | None) -> Protocol:
    if name == "none":
        return Protocol(name="none", stages=())
    stages = protocol(name)
    if not stages.name.startswith("autoattack"):
        raise UsageError(
            f"--attack {name!r} is not in pyautoattack: use autoattack, and --pgd for PGD"
        )
    return _with_steps(stages, steps)


def _with_steps(whole: Protocol, steps: int | None) -> Protocol:
    """The protocol cut to `steps` steps, for trying out the bench; its name says so."""
    if steps is None:
        return whole
    few = tuple(stage.model_copy(update={"steps": steps}) for stage in whole.stages)
    return Protocol(name=f"{whole.name} cut to {steps} steps", stages=few)


def main() -> None:
    """Run the command; an error of ours is one sentence on stderr and its own exit code."""
    try:
        command()
    except SatZooError as error:
        click.echo(f"eval.bench: {as_options(str(error))}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
