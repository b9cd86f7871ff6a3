"""A board as a table of texts, for all formats that are made of words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from eval.fingerprint import short
from eval.report.percent import percent, percent_range
from leaderboard import origins
from leaderboard.boards import Board
from leaderboard.columns import BEST, CLEAN, SOURCES, Column, order, title
from leaderboard.numbers import BestKnown, Measured, Number
from leaderboard.rows import BoardRow
from leaderboard.sources import contradictions


def columns(board: Board, *, at_most: int | None = None) -> list[Column]:
    """The columns that a board fills: best known first, then by source.

    at_most: of those by source, the ones with most numbers.
    """
    counts = Counter(column for row in board.rows for column in row.numbers)
    kept = {column for column, _ in counts.most_common(at_most)}
    best = [BEST] if any(row.best for row in board.rows) else []
    return best + sorted(kept, key=lambda column: (SOURCES.index(column.source), order(column.key)))


RANK_RULE = (
    "rank 3-7: two models do better and all but seven do worse, beyond what chance explains, sure"
    " to 95 % for each model by itself and not for all at once (Newcombe's interval for the"
    " difference of two shares, with Bonferroni's correction over the comparisons of one model)."
    " Models are ranked by their best known robust accuracy, if anybody but their authors ran the"
    " attack that ranks the table; claims are not ranked, nor models with a flag that makes the"
    " number another thing than its neighbours; other flags are marks"
)
"""What a rank is, wherever ranks are shown; see `leaderboard.stats.ranks`."""

OF_ESTIMATES = (
    "an estimate changes no rank of an exact number, and its row stands below every one whose"
    " interval it overlaps"
)
"""The rule of ranks for runs that ended early, wherever ranks are explained."""


@dataclass(frozen=True)
class Cell:
    """A number as people read it: every format made of words prints these words.

    text: per cent. range: its own 95 % interval, empty where none is known. mark: ", estimated" or
    nothing. about: of a best known one, where it comes from.
    """

    number: Number
    text: str
    range: str
    mark: str
    about: str = ""

    @classmethod
    def of(cls, number: Number, about: str = "") -> Cell:
        """The words of a number."""
        interval = number.interval
        words = percent_range(*interval) if interval else ""
        return cls(number, percent(number.accuracy), words, mark(number), about)

    def __str__(self) -> str:
        return f"{self.text} ({self.range}){self.mark}" if self.range else f"{self.text}{self.mark}"


NOT_PUBLISHED = "hyper-parameters not published"


def protocols(board: Board) -> list[tuple[str, str]]:
    """What ran for each column of robust accuracies: its title, and its numbers' fingerprints.

    Best known accuracies are of the other columns, and clean ones of no attack.
    """
    found = []
    for column in columns(board):
        if column in {BEST} or column.key == CLEAN:
            continue
        numbers = [row.numbers[column] for row in board.rows if column in row.numbers]
        prints = sorted({it.fingerprint for it in numbers if it.fingerprint})
        words = [short(one) for one in prints]
        if any(it.fingerprint is None for it in numbers):
            words.append(NOT_PUBLISHED)
        found.append((column.title, ", ".join(words)))
    return found


def cell(row: BoardRow, column: Column) -> Cell | None:
    """What a row has in a column; None where it has nothing there."""
    if column != BEST:
        found = row.numbers.get(column)
        return Cell.of(found) if found is not None else None
    return Cell.of(row.best.number, about_best(row.best)) if row.best else None


def about_best(best: BestKnown) -> str:
    """Where a best known number comes from: "third-party AutoAttack"."""
    if not best.stronger:
        return best.column.title
    return f"stronger than {best.column.title}{', by its authors' if best.by_authors else ''}"


def mark(found: Number | None) -> str:
    """What follows a number wherever one stands: ", estimated", or nothing."""
    return ", estimated" if isinstance(found, Measured) and found.estimated else ""


def heading(board: Board) -> str:
    """What a board is about, in one line."""
    return f"{board.dataset}, {board.norm} eps {board.eps}, {board.subset}"


def rank(row: BoardRow) -> str:
    """The ranks that it may have, "3-7", or a dash."""
    return str(row.rank) if row.rank else "-"


def yes_no(value: bool | None) -> str:
    """A fact that may be unknown."""
    return "" if value is None else "yes" if value else "no"


def measured_by(row: BoardRow) -> str:
    """Who measured what the row has from Reports: "measured by us"; "" where nothing is."""
    found = [row.clean, *row.robust.values()] if row.clean else row.robust.values()
    words = (origins.measured_by(one.origin, reran=one.reran) for one in found)
    return "; ".join(dict.fromkeys(words))


def remarks(row: BoardRow) -> str:
    """In a few words: flags, who measured where it was not us, and what does not go together."""
    found = [f"flag {flag.code}" for flag in row.flags]
    if any(one.origin != "project" for one in row.robust.values()):
        found.append(measured_by(row))
    found += [
        f"{title(check.protocol)}: claim {percent(check.claimed.accuracy)} is outside the"
        f" {'estimated ' if check.measured.estimated else ''}interval"
        for check in row.checks
        if not check.inside
    ]
    found += [f"{what}: of two sources" for what, _ in contradictions(row)]
    return "; ".join(found)
