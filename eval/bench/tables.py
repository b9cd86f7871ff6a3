"""What the smaller benches share: tables as CSV, and errors in one sentence."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from eval.arguments import as_options
from eval.errors import ReportError, SatZooError
from eval.files.writing import check_writable, write_atomically


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


def of_processes(
    module: str, header: tuple[object, ...], runs: Iterable[Sequence[str]], out: Path | None
) -> None:
    """Print a table, and write it to `out`: a row a run of `module`, each in a process of its own.

    runs: the options of each; with --here behind them the module prints its row. Raises
    `SatZooError` where a run fails, and `ReportError`, before the first, where `out` cannot be
    written.
    """
    if out is not None:
        check_writable(out)
    table = line(header)
    for options in runs:
        command = [sys.executable, "-m", module, *options, "--here"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            said = " ".join(options)
            raise SatZooError(f"the run with {said} ended with exit code {done.returncode}")
        table += done.stdout
    click.echo(table, nl=False)
    if out is not None:
        write_atomically(out, table.encode())


def run(command: Callable[[], object]) -> None:
    """The command, with errors in one sentence."""
    try:
        command()
    except SatZooError as error:
        click.echo(f"error: {as_options(str(error))}", err=True)
        sys.exit(error.exit_code)
