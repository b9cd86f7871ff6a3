"""How people see an evaluation that is done: a table, and what to know when reading it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from eval.arguments import as_options
from eval.report.summary import findings, heading, stage_columns, stage_rows
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.console import stdout
from zoo.cli.shared.table import print_table

if TYPE_CHECKING:
    from eval.report.report import Report

_IMPORTANCE = (0, 2, 3, 4, 1, 6, 5)
"""Of the columns of `stage_columns`: where not all fit, those of the largest are left out."""

_LABEL = 17
"""Cells of what an accuracy is of, so that the numbers stand below each other."""


def print_report(report: Report, out: Path | None) -> None:
    """The report as a table on stdout."""
    console = stdout()
    console.print(Text(report.model.name, style="bold") + heading(report))
    columns = [
        TableColumn(name, is_right=place > 0, importance=importance)
        for place, (name, importance) in enumerate(
            zip(stage_columns(report), _IMPORTANCE, strict=True)
        )
    ]
    print_table(columns, stage_rows(report), console)
    for found in findings(report):
        label = f"{found.label:<{_LABEL}}" if found.label else ""
        console.print(f"{label}{as_options(found.text)}", style="bold" if found.is_main else None)
    for flag in report.flags:
        console.print(Text(f"flag {flag.code}:", style="yellow"), as_options(flag.detail))
    written = f"; report written to {out}" if out else ""
    console.print(Text(f"{report.seconds:.0f} s{written}"), soft_wrap=True)  # a path stays whole
