"""Where commands print."""

import sys

from rich.console import Console


def stdout() -> Console:
    """A console on stdout; a pipe or file is given room, so that no name is cut at 80 columns."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)
