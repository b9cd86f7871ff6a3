"""A diagnosis as one page for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.doctor.findings import Diagnosis, Line

STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def print_page(diagnosis: Diagnosis, console: Console) -> None:
    """Print one line a finding: mark, name, what was found; what to do."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for section in diagnosis.sections:
        table.add_row(Text(section.title, style="bold"))
        for line in section.lines:
            mark = Text(line.mark, style=STYLES[line.mark])
            table.add_row(mark, Text(line.name), _sentence(line))
    console.print(table)
    if diagnosis.default_job.can_run:
        console.print(f"the default job can run: {diagnosis.default_job.command}")


def _sentence(line: Line) -> Text:
    # Text, not markup: paths and extras have square brackets.
    return Text(f"{line.says}; {line.fix}" if line.fix else line.says)
