"""A board as a table of texts, for all formats that are made of words."""

from __future__ import annotations

from collections import Counter

from eval.report.percent import percent, percent_range
from leaderboard.boards import Board
from leaderboard.columns import SOURCES, Column, order, title
from leaderboard.rows import BoardRow, Claimed, Measured


def columns(board: Board, *, at_most: int | None = None) -> list[Column]:
    """The columns that a board fills, by source; with `at_most`, those with most numbers."""
    counts = Counter(column for row in board.rows for column in row.numbers)
    kept = {column for column, _ in counts.most_common(at_most)}
    return sorted(kept, key=lambda column: (SOURCES.index(column.source), order(column.key)))


OF_ESTIMATES = (
    "an estimate changes no rank: its group is never better than that of an exact number whose"
    " interval it overlaps, and its row stands below every such one"
)
"""The rule of ranks for runs that ended early, wherever ranks are explained."""


def mark(found: Measured | Claimed | None) -> str:
    """What follows a number wherever one stands: ", estimated", or nothing."""
    return ", estimated" if isinstance(found, Measured) and found.estimated else ""


def cell(found: Measured | Claimed | None) -> str:
    """A number in per cent, a measured one with its 95 % interval, or nothing."""
    if found is None:
        return ""
    text = percent(found.accuracy)
    if isinstance(found, Measured):
        return f"{text} ({percent_range(found.low, found.high)}){mark(found)}"
    best = percent(found.believed)
    return text if best == text else f"{text}, best known {best}"


def heading(board: Board) -> str:
    """What a board is about, in one line."""
    return f"{board.dataset}, {board.norm} eps {board.eps}, {board.subset}"


def rank(row: BoardRow) -> str:
    """The rank group, or a dash."""
    return str(row.rank_group) if row.rank_group else "-"


def yes_no(value: bool | None) -> str:
    """A fact that may be unknown."""
    return "" if value is None else "yes" if value else "no"


def remarks(row: BoardRow) -> str:
    """Flags and claims that did not hold, in a few words."""
    found = [f"flag {flag.code}" for flag in row.flags]
    found += [
        f"{title(check.protocol)}: claim {percent(check.claimed.accuracy)} is outside the"
        f" {'estimated ' if check.measured.estimated else ''}interval"
        for check in row.checks
        if not check.inside
    ]
    return "; ".join(found)
