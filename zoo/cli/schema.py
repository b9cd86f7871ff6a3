"""`sat-zoo schema report|curve`."""

import json

import click

from eval.curves.curve import Curve
from eval.frozen import Frozen
from eval.report.report import Report


@click.command(epilog="\b\nExample:\n  sat-zoo schema report > report.schema.json")
@click.argument("what", type=click.Choice(["report", "curve"]))
def command(what: str) -> None:
    """Print the JSON Schema of a file format that sat-zoo writes."""
    kind: type[Frozen] = Curve if what == "curve" else Report
    click.echo(json.dumps(kind.model_json_schema(by_alias=True), indent=2))
