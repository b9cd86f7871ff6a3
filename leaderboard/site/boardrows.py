"""A row of a board: what its cells say, and what the page's script knows of it beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard import origins
from leaderboard.boards import Board
from leaderboard.columns import BEST, CLEAN, Column
from leaderboard.numbers import Measured, Number
from leaderboard.rows import BoardRow
from leaderboard.site.markup import breakable, count, safe_url
from leaderboard.sources import clean_beside
from leaderboard.texts import cell, measured_by

DASH = "–"
_MEASURED: dict[str, str] = {who: origins.measured_by(who) for who in origins.TRUSTED}
BY = _MEASURED | {"third-party": "third party", "claimed": "claimed"}
"""Who found a number, in the order of their trust."""


@dataclass(frozen=True)
class Fact:
    """A column of what is known of a model; left out of a table in which nobody knows it.

    key: in the address, where it says by which column the table is sorted. text: of a number.
    """

    key: str
    name: str
    of: Callable[[BoardRow], str | int | bool | None]
    text: Callable[[int], str] | None = None

    @property
    def css(self) -> str:
        """Numbers stand to the right."""
        return "num" if self.text else ""

    def cell(self, row: BoardRow) -> dict[str, Any]:
        """Text, and the number that sorts it."""
        value = self.of(row)
        if value is None or value == "":
            return {"text": DASH, "css": self.css, "order": None}
        if self.text is not None and isinstance(value, int):
            return {"text": self.text(value), "css": self.css, "order": value}
        words = {True: "yes", False: "no"}
        text = words[value] if isinstance(value, bool) else str(value)
        return {"text": text, "css": self.css, "order": None}


def year(row: BoardRow) -> int | None:
    """When its paper appeared."""
    return row.published.year if row.published else None


FACTS = (
    Fact("architecture", "Architecture", lambda row: row.architecture),
    Fact("activation", "Activation", lambda row: row.activation),
    Fact("parameters", "Parameters", lambda row: row.parameters, count),
    Fact(
        "input",
        "Input",
        lambda row: row.published.input_size if row.published else None,
        lambda pixels: f"{pixels}²",
    ),
    Fact("extra", "Extra data", lambda row: row.extra_data),
    Fact("year", "Year", year, str),
)


def measured_in(row: BoardRow) -> list[Measured]:
    """Its numbers that come from Reports."""
    return [it for it in row.numbers.values() if isinstance(it, Measured)]


def by(column: Column, found: Number) -> str:
    """Who found a number, a key of `BY`."""
    return found.origin if isinstance(found, Measured) else column.source


def row_view(row: BoardRow, facts: Sequence[Fact], numbers: Sequence[Column]) -> dict[str, Any]:
    """What a line of the table shows; numbers: the columns of accuracies, best known first."""
    paper = row.published
    return {
        "id": row.model_key,
        "key": row.key,
        "name": breakable(row.model),
        "title": paper.title if paper else None,
        "link": safe_url(row.link),
        "venue": paper.venue if paper else None,
        "rank": str(row.rank).replace("-", DASH) if row.rank else DASH,
        "by": measured_by(row),
        "flags": row.flags,
        "cells": [_cell(row, it) for it in numbers],
        "facts": [fact.cell(row) for fact in facts],
    }


def row_data(board: Board, row: BoardRow, numbers: Sequence[Column]) -> dict[str, Any]:
    """What scripts sort, filter, draw and copy; nothing that the row's cells say already.

    numbers: by column [accuracy, low, high] in per cent, then what marks it and who measured it
    where that is not the column's head; null where there is none. clean: see `_cleans`. best_by:
    the source of what is best known.
    """
    data = {
        "numbers": [_number(row, it) for it in numbers],
        "rank": [row.rank.first, row.rank.last] if row.rank else None,
        "clean": _cleans(row, numbers) or None,
        "best_by": row.best.column.source if row.best else None,
        "family": architecture_family(row.architecture),
        "flops": row.flops,
        "why": row.unranked,
        "beats": None if (row.rank if board.ranked_by else not row.doubts) else False,
    }
    return {name: value for name, value in data.items() if value is not None}


def architecture_family(architecture: str | None) -> str:
    """Of WideResNet-70-16 its WideResNet, for a filter that is not as long as the table."""
    if not architecture:
        return ""
    name = architecture.replace("_", "-").split(",")[0].split(" ")[0]
    known = {"WRN": "WideResNet", "WideResNet": "WideResNet", "Wide": "WideResNet"}
    head = name.split("-")[0].rstrip("0123456789") or name
    return known.get(head, head)


def _cell(row: BoardRow, column: Column) -> dict[str, Any]:
    shown = cell(row, column)
    if shown is None:
        return {"text": DASH, "small": "", "css": "num", "stronger": ""}
    source = row.best.whose if column == BEST and row.best else column.source
    marks = ["num", *(["best", source] if column == BEST else [])]
    if source == "measured":
        marks.append("ours")
    return {
        "text": shown.text,
        "small": f"{shown.range}{shown.mark}",
        "css": " ".join(marks),
        "stronger": _stronger(row) if column == BEST else "",
    }


def _number(row: BoardRow, column: Column) -> list[Any] | None:
    shown = cell(row, column)
    if shown is None:
        return None
    found = shown.number
    if isinstance(found, Measured):
        return [*triple(found), shown.mark, by(column, found)]
    return triple(found)


def _cleans(row: BoardRow, numbers: Sequence[Column]) -> dict[int, list[Any] | None]:
    """Where the clean accuracy by the source of a robust one is not in the column of clean ones."""
    found = {}
    for place, it in enumerate(numbers):
        column = row.best.column if row.best and it == BEST else it
        if column in row.numbers and column.key != CLEAN:
            clean = clean_beside(row, column)
            if clean != row.numbers.get(Column(column.source, CLEAN)):
                found[place] = triple(clean) if clean else None
    return found


def triple(found: Number | None) -> list[float | None]:
    """Accuracy, low and high in per cent; each null where there is none."""
    if found is None:
        return [None, None, None]
    ends = (found.accuracy, found.low, found.high)
    return [None if end is None else round(100 * end, 2) for end in ends]


def _stronger(row: BoardRow) -> str:
    """Of a best known number of a stronger attack than the column beside it: whose attack."""
    if row.best is None or not row.best.stronger:
        return ""
    return f"stronger attack{', by its authors' if row.best.by_authors else ''}"
