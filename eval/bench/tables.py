"""What the smaller benches share: tables as CSV, and errors in one sentence."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import click

from eval.arguments import as_options
from eval.errors import ReportError, SatZooError
from eval.files.writing import check_writable


def line(cells: tuple[object, ...]) -> str:
    """One line of CSV, with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def between(text: str, begin: str, end: str, body: str) -> str:
    """`text` with `body` between two lines; `ReportError` if it does not have each of them once."""
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ReportError(f"the page needs one line {begin} and one line {end} for the tables")
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n{body}\n{end}{tail}"


def earlier(out: Path | None, header: tuple[object, ...]) -> str:
    """What the table in the file `out` says so far, to add to; its head where there is none.

    Raises `ReportError` where it cannot be written.
    """
    if out is None:
        return line(header)
    check_writable(out)
    return out.read_text() if out.exists() else line(header)


def run(command: Callable[[], object]) -> None:
    """The command, with errors in one sentence."""
    try:
        command()
    except SatZooError as error:
        click.echo(f"error: {as_options(str(error))}", err=True)
        sys.exit(error.exit_code)
