"""Where commands print, and in which words: options where the library speaks of arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from eval.arguments import as_options

if TYPE_CHECKING:
    from rich.console import Console


def stdout() -> Console:
    """A console on stdout; a pipe or file is given room, so that no name is cut at 80 columns."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def tell(text: str) -> None:
    """What a library function reports as it goes, on stdout."""
    click.echo(as_options(text))


def say(text: str) -> None:
    """One sentence of the library, or of a command, on stderr."""
    click.echo(f"sat-zoo: {as_options(text)}", err=True)
