"""`sat-zoo schema report`."""

import json

import click

from eval.report.report import Report


@click.command(epilog="\b\nExample:\n  sat-zoo schema report > report.schema.json")
@click.argument("what", type=click.Choice(["report"]))
def command(what: str) -> None:
    """Print the JSON Schema of a file format that sat-zoo writes."""
    click.echo(json.dumps(Report.model_json_schema(by_alias=True), indent=2))
