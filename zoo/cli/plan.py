"""What an evaluation will cost."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import click
from rich.table import Table
from rich.text import Text

from eval.errors import UsageError
from eval.fingerprint import short
from zoo.cli.shared.console import stdout

if TYPE_CHECKING:
    from torch import nn

    from eval.data import ImageSet
    from eval.plan import Plan
    from eval.planning.expected import Expected
    from eval.protocols import Protocol
    from eval.threat import Threat


LOCAL_SHARE = 0.93
"""Of the time of one process that two workers with the same two cores take: eval/bench_results/
spread.csv."""

LOCAL_START_S = 15.0


def plan_evaluation(
    model: nn.Module,
    images: ImageSet,
    protocol: Protocol,
    threat: Threat,
    *,
    engine: Literal["fast", "reference"],
    precision: Literal["auto", "fp32", "bf16"],
    seed: int,
    batch_size: int | None,
    device: str,
    name: str,
    as_json: bool,
    workers: int | None = None,
) -> None:
    """Time two batches and the first steps, and print what the evaluation would cost.

    workers: on so many, too, each of which computes as this process does.

    Raises `UsageError` for the reference engine, whose passes are not ours to count.
    """
    from eval.plan import plan_run

    if engine != "fast":
        raise UsageError(f"--plan knows no costs of --engine {engine}: use --engine fast")
    plan = plan_run(
        model,
        images,
        protocol,
        threat,
        precision=precision,
        seed=seed,
        batch_size=batch_size,
        device=device,
        name=name,
        workers=workers,
    )
    if as_json:
        click.echo(plan.to_json(), nl=False)
    else:
        print_plan(plan)


def print_plan(plan: Plan) -> None:
    """The plan as a table on stdout, stage by stage: what is expected, and within which range."""
    console = stdout()
    console.print(
        Text(plan.model, style="bold")
        + f" on {plan.n} images of {plan.data}, {plan.protocol}{short(plan.fingerprint)},"
        + f" {plan.precision} search on {plan.device} ({plan.threads} threads),"
        + f" batches of {plan.batch_size}"
    )
    if plan.warning:
        console.print(
            Text("warning:", style="yellow") + f" {plan.warning}; the plain model is used"
        )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stage")
    for column in ("images", "forwards", "backwards", "time", "from", "to"):
        table.add_column(column, justify="right", no_wrap=True)
    for stage in plan.stages:
        table.add_row(stage.name, *_cells(stage.expected))
    table.add_row("total", *_cells(plan.expected), style="bold")
    console.print(table)
    seconds, most = plan.expected.seconds, plan.most
    console.print(
        Text("expected ")
        + Text(_time(seconds.expected), style="bold")
        + f", between {_time(seconds.low)} and {_time(seconds.high)} if the machine stays about as"
        " busy as it is now",
    )
    if plan.spread is None and _pays_locally(plan):
        console.print(
            f"two workers of one thread took {LOCAL_SHARE:.2f} of the time of one process of two"
            " threads where that was measured: try --ray local"
        )
    if plan.spread is not None:
        n, seconds = plan.spread.workers, plan.spread.seconds
        console.print(
            f"with {n} worker{'s' * (n > 1)} of {plan.threads}"
            f" thread{'s' * (plan.threads > 1)} on {plan.device} each: "
            + f"{_time(seconds.expected)}, between {_time(seconds.low)} and {_time(seconds.high)},"
            " beside the start of their processes"
        )
    if len(plan.stages) > 1:
        console.print(_origin(plan))
        console.print(
            f"upper bounds: {most.forwards:,} forwards, {most.backwards:,} backwards,"
            f" {_time(most.seconds)} of the network alone, where all images survive",
        )
    console.print(
        f"memory {plan.peak_memory_bytes / 1e9:.2g} GB at the peak, beside the program itself"
    )


def _pays_locally(plan: Plan) -> bool:
    """Whether workers of one thread each are worth their start, a quarter of a minute."""
    is_long = plan.expected.seconds.expected * (1 - LOCAL_SHARE) > LOCAL_START_S
    return plan.device == "cpu" and plan.threads > 1 and is_long and find_spec("ray") is not None


def _origin(plan: Plan) -> str:
    """Where the counts come from."""
    said = f"Counted from the {plan.n_looked_at} images of the timed batches"
    said += f" ({plan.n_right} right) and the first steps of each stage"
    if plan.known_from:
        n = len(plan.known_from)
        return f"{said}; what falls to later stages from {n} Report{'s' * (n > 1)} of other models"
    if len(plan.stages) > 2:
        return f"{said}; no Report tells what falls to its later stages, so the range is wide"
    return said


def _cells(found: Expected) -> tuple[str, ...]:
    seconds = found.seconds
    counts = (found.attacked, found.forwards, found.backwards)
    times = (seconds.expected, seconds.low, seconds.high)
    return (*(f"{round(one.expected):,}" for one in counts), *map(_time, times))


def _time(seconds: float) -> str:
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return (
                f"{seconds / size:.2g} {unit}"
                if seconds < size * 99.5
                else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds / 86400:.2g} d"
