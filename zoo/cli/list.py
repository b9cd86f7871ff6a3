"""`sat-zoo list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from eval.report.percent import percent
from zoo.catalogue import HERE, Listed, catalogue
from zoo.cli.shared.columns import TableColumn, wide_option
from zoo.cli.shared.completing import complete_card_data, complete_models, complete_norms
from zoo.cli.shared.console import remark, stdout
from zoo.registry import brought

if TYPE_CHECKING:
    from zoo.accuracies import KnownAccuracy

COLUMNS = (
    TableColumn("model", importance=0),
    TableColumn("clean", is_right=True, importance=2),
    TableColumn("robust", importance=1),
    TableColumn("weights", importance=3),
    TableColumn("data", importance=4),
    TableColumn("threat", importance=5),
    TableColumn("activation", importance=6),
    TableColumn("parameters", is_right=True, importance=7),
    TableColumn("input", importance=8),
)
WAYS = {
    "hub": "hub: sat-zoo pull NAME fetches them",
    "official": "official: sat-zoo pull NAME fetches and converts the authors' release",
    "none": "none: nobody published them, sat-zoo train NAME makes them",
}


@click.command(
    epilog="""\b
Examples:
  sat-zoo list
  sat-zoo list --available
  sat-zoo list 'resnet50-*' --data imagenet --wide
  sat-zoo list '*digits' --json"""
)
@click.argument("pattern", default="*", shell_complete=complete_models)
@click.option(
    "--data",
    metavar="NAME",
    help="Only models for this data set.",
    shell_complete=complete_card_data,
)
@click.option("--norm", help="Only models trained for Linf, or L2.", shell_complete=complete_norms)
@click.option("--available", is_flag=True, help="Only what can be used now, without a network.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print cards and accuracies as JSON.")
def command(
    pattern: str, data: str | None, norm: str | None, available: bool, as_json: bool
) -> None:
    """List the models whose names match PATTERN (default: all), first what can be used now.

    clean and robust are accuracies in per cent: those that we measured, else those that were
    claimed, which have a *. The robust one is of the strongest attack that ran to its end, on the
    norm and eps that the model was trained for. A ~ marks what we measured on a part of the test
    images.
    """
    from zoo.cli.shared.table import print_table

    found = catalogue(pattern, data=data, norm=norm, available=available)
    for fault in brought().faults:
        remark(fault)
    if as_json:
        by_name = sorted(found, key=lambda one: one.card.name)
        click.echo(json.dumps([one.to_dict() for one in by_name], indent=2))
        return
    console = stdout()
    if any(one.package for one in found):
        rows = ((*_row(one), one.package or "") for one in found)
        print_table((*COLUMNS, TableColumn("package", importance=1)), rows, console)
    else:
        print_table(COLUMNS, map(_row, found), console)
    for line in _legend(found):
        console.print(line, style="dim")


def _row(one: Listed) -> tuple[str, ...]:
    info, known = one.card, one.accuracies
    return (
        info.name,
        _number(known.clean),
        f"{_number(known.robust)} {known.robust.attack}" if known.robust else "",
        one.where,
        info.dataset,
        f"{info.threat.norm} {info.threat.eps}" if info.threat else "not published",
        info.activation,
        f"{info.parameters:,}",
        f"{info.input.channels}x{info.input.size}x{info.input.size}",
    )


def _number(found: KnownAccuracy | None) -> str:
    """In per cent, with a place for the mark so that the numbers stand below each other."""
    if found is None:
        return ""
    mark = "*" if found.is_claimed else "!" if found.flags else "~" if found.is_of_part else " "
    return f"{percent(found.accuracy)}{mark}"


def _legend(found: tuple[Listed, ...]) -> list[str]:
    """What the marks and words mean that stand in the table."""
    numbers = [n for one in found for n in (one.accuracies.clean, one.accuracies.robust) if n]
    lines = []
    if any(number.is_claimed for number in numbers):
        lines.append("* claimed, not measured by us: sat-zoo show NAME says by whom")
    if any(number.flags for number in numbers):
        lines.append("! the Report has flags: sat-zoo leaderboard show DATA says which")
    if any(number.is_of_part for number in numbers):
        lines.append("~ of a part of the test images: sat-zoo show NAME says of how many")
    where = {one.where for one in found}
    lines += [f"weights {way}" for place, way in WAYS.items() if place in where - set(HERE)]
    return lines
