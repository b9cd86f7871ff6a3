"""What an evaluation will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click
from rich.table import Table
from rich.text import Text

from eval.errors import UsageError
from zoo.cli.shared.console import stdout

if TYPE_CHECKING:
    from torch import nn

    from eval.data import ImageSet
    from eval.plan import Plan, Work
    from eval.protocols import Protocol
    from eval.threat import Threat


def plan_evaluation(
    model: nn.Module,
    images: ImageSet,
    protocol: Protocol,
    threat: Threat,
    *,
    engine: Literal["fast", "reference"],
    precision: Literal["auto", "fp32", "bf16"],
    batch_size: int | None,
    device: str,
    name: str,
    as_json: bool,
) -> None:
    """Time two batches and print what the evaluation would cost.

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
        batch_size=batch_size,
        device=device,
        name=name,
    )
    if as_json:
        click.echo(plan.to_json(), nl=False)
    else:
        print_plan(plan)


def print_plan(plan: Plan) -> None:
    """The plan as a table on stdout: stage by stage, at most and at least."""
    console = stdout()
    console.print(
        Text(plan.model, style="bold")
        + f" on {plan.n} images of {plan.data}, {plan.protocol},"
        + f" {plan.precision} search on {plan.device} ({plan.threads} threads),"
        + f" batches of {plan.batch_size}"
    )
    if plan.warning:
        console.print(
            Text("warning:", style="yellow") + f" {plan.warning}; the plain model is used"
        )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stage")
    for column in ("forwards", "backwards", "multiply-adds", "time at most", "at least"):
        table.add_column(column, justify="right")
    for stage in plan.stages:
        table.add_row(stage.name, *_cells(stage.most), _time(stage.least.seconds))
    table.add_row("total", *_cells(plan.most), _time(plan.least.seconds), style="bold")
    console.print(table)
    console.print(
        "Passes are upper bounds: every image is right and survives all stages. At least: every"
        " image falls at the first look.\nTime is passes at the speed of the timed batches; the"
        " attacks' own arithmetic comes on top."
    )
    share = plan.n_right / plan.n_looked_at
    console.print(
        Text(
            f"{plan.n_right} of the {plan.n_looked_at} images in the timed batches are right; if"
            " that share holds, at most "
        )
        + Text(_time(share * plan.most.seconds), style="bold")
        + f", {_time(plan.seconds_per_survivor)} for each image that survives."
    )
    console.print(
        f"memory {plan.peak_memory_bytes / 1e9:.2g} GB at the peak, beside the program itself"
    )


def _cells(work: Work) -> tuple[str, str, str, str]:
    return (
        f"{work.forwards:,}",
        f"{work.backwards:,}",
        f"{work.multiply_adds:.2g}",
        _time(work.seconds),
    )


def _time(seconds: float) -> str:
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} d"
