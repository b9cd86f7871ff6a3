"""Where commands print, and in which words: options where the library speaks of arguments.

Whatever is printed may hold a stranger's text, so nothing that passes here moves the cursor, turns
the direction of writing or is taken for markup: it is shown as escapes.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from eval.arguments import as_options
from eval.files.border import plain

if TYPE_CHECKING:
    from rich.console import Console


def visible(text: str) -> str:
    """`text` with line ends and tabs as they are, and all else that cannot be seen as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else plain(c) for c in text)


def stdout() -> Console:
    """A console on stdout; a pipe or file is given room, so that no name is cut at 80 columns."""
    from zoo.cli.shared.plain_console import PlainConsole

    return PlainConsole(width=None if sys.stdout.isatty() else 160)


def echo(text: str, *, newline: bool = True) -> None:
    """`text` on stdout."""
    click.echo(visible(text), nl=newline)


def tell(text: str) -> None:
    """What a library function reports as it goes, on stdout."""
    echo(as_options(text))


QUIET = "sat_zoo.quiet"
"""Of a click context: whether --quiet was given, see `zoo.cli.shared.voice`."""


def is_quiet() -> bool:
    """Whether the command that runs was asked for nothing but its result, and errors."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def remark(text: str) -> None:
    """`say`, of what is neither an error nor the end: nothing where the command is quiet."""
    if not is_quiet():
        say(text)


def say(text: str) -> None:
    """One sentence of the library, or of a command, on stderr; nothing fails if that is gone.

    Not by `click.echo`, which goes past a bar that is drawn there, into its line.
    """
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(visible(f"sat-zoo: {as_options(text)}") + "\n")
        sys.stderr.flush()
