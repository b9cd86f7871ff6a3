"""A board as a table of texts, for all formats that are made of words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from eval.percent import percent, percent_range
from leaderboard.boards import Board
from leaderboard.columns import CLEAN, order, title
from leaderboard.published import NOT_STATED
from leaderboard.rows import Claimed, Measured, Row

Source = Literal["measured", "third-party", "claimed"]
SOURCES: tuple[Source, ...] = ("measured", "third-party", "claimed")

UNKNOWN = "not published"


@dataclass(frozen=True)
class Column:
    """Numbers of one attack from one kind of source."""

    source: Source
    key: str

    @property
    def title(self) -> str:
        """How tables head it: "measured AutoAttack", "claimed PGD-50"."""
        what = "attack not stated" if self.key == NOT_STATED else title(self.key)
        return f"{self.source} {what}"


def number(row: Row, column: Column) -> Measured | Claimed | None:
    """The number of a row in a column."""
    if column.source == "measured":
        return row.clean if column.key == CLEAN else row.robust.get(column.key)
    claims = row.claimed if column.source == "claimed" else row.third_party
    return claims.get(column.key)


def columns(board: Board, *, at_most: int | None = None) -> list[Column]:
    """The columns that a board fills, by source; with `at_most`, those with most numbers."""
    counts: Counter[Column] = Counter()
    for row in board.rows:
        if row.clean:
            counts[Column("measured", CLEAN)] += 1
        counts.update(Column("measured", key) for key in row.robust)
        counts.update(Column("third-party", key) for key in row.third_party)
        counts.update(Column("claimed", key) for key in row.claimed)
    kept = {column for column, _ in counts.most_common(at_most)}
    return sorted(kept, key=lambda column: (SOURCES.index(column.source), order(column.key)))


def cell(found: Measured | Claimed | None, *, interval: bool = True) -> str:
    """A number in per cent, a measured one with its 95 % interval, or nothing."""
    if found is None:
        return ""
    text = percent(found.accuracy)
    if isinstance(found, Measured):
        return f"{text} ({percent_range(found.low, found.high)})" if interval else text
    best = percent(found.believed)
    return text if best == text else f"{text}, best known {best}"


def heading(board: Board) -> str:
    """What a board is about, in one line."""
    return f"{board.dataset}, {board.norm} eps {board.eps}, {board.subset}"


def rank(row: Row) -> str:
    """The rank group, or a dash."""
    return str(row.rank_group) if row.rank_group else "-"


def yes_no(value: bool | None) -> str:
    """A fact that may be unknown."""
    return "" if value is None else "yes" if value else "no"


def remarks(row: Row) -> str:
    """Flags and claims that did not hold, in a few words."""
    found = [f"flag {flag.code}" for flag in row.flags]
    found += [
        f"{title(check.protocol)}: claim {percent(check.claimed.accuracy)} is outside the interval"
        for check in row.checks
        if not check.inside
    ]
    return "; ".join(found)
