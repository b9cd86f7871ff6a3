"""What a table has: its columns, each with what it is worth, and the option that asks for all.

Apart from `zoo.cli.shared.table`, which prints them, since a command only says this when it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

_WIDE = "sat_zoo.wide"


@dataclass(frozen=True)
class TableColumn:
    """A column and what it is worth.

    name:       what people call it; said where it is left out.
    head:       what stands above it, in lines; the name where there is no other.
    is_right:   flush right, as numbers are.
    is_prose:   sentences, which may wrap; only the last column may be.
    importance: the smaller the longer it stays; None is its place in the table. The column of
                importance 0 always stays.
    """

    name: str
    head: str | None = None
    is_right: bool = False
    is_prose: bool = False
    importance: int | None = None


def _keep_wide(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_WIDE] = value


def wide_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --wide; `print_table` asks the running command for it, which takes no parameter."""
    text = "All columns, however narrow the terminal is."
    return click.option("--wide", is_flag=True, expose_value=False, callback=_keep_wide, help=text)(
        command
    )


def is_wide() -> bool:
    """Whether the command that is running got --wide."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_WIDE))
