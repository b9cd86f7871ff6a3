"""How people see a curve: a table, a row a point, and what to know when reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from eval.arguments import as_options
from eval.curves.summary import check_said, heading, point_columns, point_rows, prefix_of
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.console import stdout
from zoo.cli.shared.table import print_table

if TYPE_CHECKING:
    from eval.curves.curve import Curve

_OF_TWO = {
    "A, %": 1,
    "interval of A": 5,
    "B, %": 2,
    "interval of B": 6,
    "A - B": 3,
    "interval of A - B": 4,
}
"""Of the columns of two models: what each is called where it is left out, and its importance."""


def print_curve(curve: Curve, written: Sequence[Path]) -> None:
    """The curve as a table on stdout; written: the files that hold it."""
    console = stdout()
    said = [(prefix_of(curve, i), series) for i, series in enumerate(curve.series)]
    for prefix, series in said:
        name = Text(prefix) + Text(series.model.name, style="bold")
        console.print(name + heading(curve, series))
    print_table(_columns(curve), point_rows(curve), console)
    for prefix, series in said:
        console.print(Text(f"{prefix}{check_said(series)}"))
        for flag in series.flags:
            code = Text(f"{prefix}flag {flag.code}:", style="yellow")
            console.print(code, as_options(flag.detail))
    seconds = sum(series.seconds for series in curve.series)
    files = f"; written to {' and '.join(map(str, written))}" if written else ""
    console.print(Text(f"{seconds:.0f} s{files}"), soft_wrap=True)  # a path stays whole


def _columns(curve: Curve) -> list[TableColumn]:
    along, *heads = point_columns(curve)
    if len(curve.series) == 1:
        return [TableColumn(along), *(TableColumn(head, is_right=True) for head in heads)]
    others = (
        TableColumn(name, head, is_right=True, importance=importance)
        for (name, importance), head in zip(_OF_TWO.items(), heads, strict=True)
    )
    return [TableColumn(along, importance=0), *others]
