"""Tables on a terminal of any width: what matters least is left out, and that is said.

A cell is never cut and a head never shortened. A column of prose, which is the last, wraps between
words. Without a terminal, in a pipe or a file, every column is there and nothing wraps, so that a
program reads the same lines wherever it runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from zoo.cli.shared.columns import TableColumn, is_wide
from zoo.cli.shared.console import visible

GAP = 2
"""Blanks between two columns."""

PROSE = 24
"""Cells that a column of prose needs at least, where it has more than that to say."""


def print_table(
    columns: Sequence[TableColumn],
    rows: Iterable[Sequence[str | Text]],
    console: Console,
    *,
    has_head: bool = True,
) -> None:
    """Print the rows, a cell for each column; a row of one cell stands across all columns.

    Leaves out columns that do not fit into `console` if that is a terminal, unless --wide is given,
    and says which.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    whole = [row for row in cells if len(row) == len(columns)]
    heads = [_head(column) if has_head else [] for column in columns]
    widths = [
        max([*map(cell_len, heads[i]), *(row[i].cell_len for row in whole)], default=0)
        for i in range(len(columns))
    ]
    is_free = not console.file.isatty() or is_wide()
    has_all = is_free or not has_head  # what has no head is a page, of names and sentences
    kept = range(len(columns)) if has_all else _that_fit(columns, widths, console.width)
    if has_head:
        _print_head(columns, heads, [(i, widths[i]) for i in kept], console)
    for row in cells:
        if len(row) != len(columns):
            _print(row[0], console)
            continue
        limit = sys.maxsize if is_free else console.width
        for line in _lines([(columns[i], row[i], widths[i]) for i in kept], limit):
            _print(line, console)
    left = [column.name for i, column in enumerate(columns) if i not in kept]
    if left:
        what = f"{len(left)} column{'s' * (len(left) > 1)} left out: {', '.join(left)}"
        console.print(f"{what}; --wide shows {'them' if len(left) > 1 else 'it'}", style="dim")


def wrapped(text: Text, width: int) -> list[Text]:
    """`text` in lines of at most `width` cells, broken between words; a longer word stays whole."""
    breaks, used = [], 0
    for word in re.finditer(r"\s*\S+", text.plain):
        size = cell_len(word[0])
        if used and used + size > width:
            start = word.start() + len(word[0]) - len(word[0].lstrip())
            breaks.append(start)
            used, size = 0, cell_len(word[0].lstrip())
        used += size
    lines = list(text.divide(breaks)) if breaks else [text]
    for line in lines:
        line.rstrip()
    return lines


def _text(cell: str | Text) -> Text:
    # Never markup: a stranger's name may look like it, and what cannot be seen has no width.
    return cell.copy() if isinstance(cell, Text) else Text(visible(cell))


def _head(column: TableColumn) -> list[str]:
    return (column.name if column.head is None else column.head).split("\n")


def _that_fit(columns: Sequence[TableColumn], widths: Sequence[int], width: int) -> list[int]:
    """The places of the columns that fit together, the most important first to be taken."""
    order = sorted(range(len(columns)), key=lambda i: _importance(columns, i))
    used, kept = -GAP, list[int]()
    for i in order:
        size = min(widths[i], PROSE) if columns[i].is_prose else widths[i]
        if kept and used + GAP + size > width:
            break  # a narrower one behind it matters less, and would only look as if it did not
        kept.append(i)
        used += GAP + size
    return sorted(kept)


def _importance(columns: Sequence[TableColumn], place: int) -> tuple[int, int]:
    importance = columns[place].importance
    return (place if importance is None else importance), place


def _print_head(
    columns: Sequence[TableColumn],
    heads: Sequence[Sequence[str]],
    kept: Sequence[tuple[int, int]],
    console: Console,
) -> None:
    # Of heads of several lines the last stands right above the numbers.
    turned = [list(reversed(heads[i])) for i, _ in kept]
    for words in reversed(list(zip_longest(*turned, fillvalue=""))):
        parts = [
            (columns[i], Text(word), width) for (i, width), word in zip(kept, words, strict=True)
        ]
        (line,) = _lines(parts, sys.maxsize)
        line.stylize("bold")
        _print(line, console)


def _lines(parts: Sequence[tuple[TableColumn, Text, int]], limit: int) -> list[Text]:
    """One row in lines of at most `limit` cells: a prose at its end wraps below itself."""
    line = Text()
    for place, (column, cell, width) in enumerate(parts):
        line.append(" " * GAP * (place > 0))
        if column.is_prose:
            indent = line.cell_len
            first, *more = wrapped(cell, max(limit - indent, PROSE))
            return [line + first, *(Text(" " * indent) + one for one in more)]
        pad = " " * (width - cell.cell_len)
        line = line + Text(pad) + cell if column.is_right else line + cell + Text(pad)
    line.rstrip()
    return [line]


def _print(line: Text, console: Console) -> None:
    # What is longer than the terminal, a path or a name, is not broken by us.
    console.print(line, soft_wrap=True)
