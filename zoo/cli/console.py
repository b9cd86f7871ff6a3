"""Where commands print."""

import sys

import click
from rich.console import Console


def stdout() -> Console:
    """A console on stdout; a pipe or file is given room, so that no name is cut at 80 columns."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def say(text: str) -> None:
    """A sentence for people, on stderr."""
    click.echo(f"sat-zoo: {text}", err=True)
