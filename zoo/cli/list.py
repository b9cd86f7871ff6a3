"""`sat-zoo list`."""

import json

import click
from rich.table import Table

from eval.errors import UsageError
from zoo.cards import ModelCard
from zoo.cli.shared.console import stdout
from zoo.hub.pins import pin_of
from zoo.registry import card, list_models
from zoo.weights.find import local_weights


def where(info: ModelCard) -> str:
    """Where the weights of a model can be had now, in a word or two."""
    found = local_weights(info)
    if found is not None:
        return found.source
    if pin_of(info.name) is not None:
        return "on the Hub"
    return "official release" if info.official else "not here"


@click.command(
    epilog="""\b
Examples:
  sat-zoo list
  sat-zoo list 'resnet50-*'
  sat-zoo list '*digits' --json"""
)
@click.argument("pattern", default="*")
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON.")
def command(pattern: str, as_json: bool) -> None:
    """List the models whose names match PATTERN (default: all)."""
    names = list_models(pattern)
    if not names:
        raise UsageError(f"pattern {pattern!r} matches no model: see all with sat-zoo list")
    cards = [card(name) for name in names]
    if as_json:
        click.echo(json.dumps([info.model_dump(mode="json") for info in cards], indent=2))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True, min_width=max(map(len, names)))
    for column in ("data", "activation", "parameters", "input", "threat", "weights"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for info in cards:
        table.add_row(
            info.name,
            info.dataset,
            info.activation,
            f"{info.parameters:,}",
            f"{info.input.channels}x{info.input.size}x{info.input.size}",
            f"{info.threat.norm} {info.threat.eps}" if info.threat else "not published",
            where(info),
        )
    stdout().print(table)
