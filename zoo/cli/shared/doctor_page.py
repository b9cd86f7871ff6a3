"""A diagnosis as one page for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.table import print_table
from zoo.doctor.findings import Diagnosis, Line

STYLES = {"ok": "green", "not needed": "dim", "missing": "yellow", "broken": "bold red"}


def print_page(diagnosis: Diagnosis, console: Console) -> None:
    """Print one line a finding: mark, name, what was found; what to do.

    What is missing and the default job can do without is marked so.
    """
    rows: list[tuple[str | Text, ...]] = []
    for section in diagnosis.sections:
        rows.append((Text(section.title, style="bold"),))
        for line in section.lines:
            shown = line.mark if line.needed or line.mark != "missing" else "not needed"
            mark = Text(shown, style=STYLES[shown])
            rows.append((mark, line.name, _sentence(line)))
    columns = (
        TableColumn("mark"),
        TableColumn("name"),
        TableColumn("what was found", is_prose=True),
    )
    print_table(columns, rows, console, has_head=False)
    if diagnosis.default_job.can_run:
        console.print(f"the default job can run: {diagnosis.default_job.command}")


def _sentence(line: Line) -> str:
    return f"{line.says}; {line.fix}" if line.fix else line.says
