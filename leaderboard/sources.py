"""Which numbers of a row come from one source, and so may stand in one point or one difference."""

from __future__ import annotations

import math
import re

from eval.report.percent import percent
from leaderboard.columns import AUTOATTACK, CLEAN, Column, family, title
from leaderboard.numbers import Claimed, Measured, Number
from leaderboard.rows import BoardRow

_ARXIV = re.compile(r"arXiv:? ?(\d{4}\.\d{4,5})")
_STEPS = re.compile(r"PGD-(\d+)")


def document(source: str) -> str:
    """The paper or the file that a source names, without the place in it."""
    paper = _ARXIV.search(source)
    return f"arXiv {paper[1]}" if paper else source.split(",", maxsplit=1)[0].strip()


def clean_beside(row: BoardRow, column: Column) -> Number | None:
    """The clean accuracy by the source of the robust one in `column`, or None.

    Of a measured one that of its own Report; of a published one that of the same document, even
    where a table shows the clean accuracy of another first.
    """
    robust = row.numbers[column]
    if isinstance(robust, Measured):
        report = row.reports[row.report_paths.index(robust.report_path)] if row.reports else None
        if report is None:
            return row.clean
        return Measured.of(report.clean, report, robust.report_path, None)
    shown = row.numbers.get(Column(column.source, CLEAN))
    if not isinstance(shown, Claimed):
        return None
    wanted = document(robust.source)
    if document(shown.source) == wanted:
        return shown
    claims = row.card.claims if row.card and column.source == "claimed" else ()
    same = (it for it in claims if it.protocol == CLEAN and document(it.source) == wanted)
    other = next(same, None)
    return Claimed(other.accuracy, source=other.source, note=other.note) if other else None


def contradictions(row: BoardRow) -> list[tuple[str, str]]:
    """Where the stronger attack seems to break fewer images, because two sources say so; and why.

    PGD with more steps is the stronger, and AutoAttack than any PGD.
    """
    found = [
        (strength, column, number)
        for column, number in row.numbers.items()
        if isinstance(number, Claimed) and (strength := _strength(column)) is not None
    ]
    return [
        (
            f"{title(more.key)}, {percent(high.accuracy)}, is above {title(fewer.key)},"
            f" {percent(low.accuracy)}",
            f"they are of two sources ({document(high.source)}; {document(low.source)}), so their"
            " difference is not of the attack alone",
        )
        for weak, fewer, low in found
        for strong, more, high in found
        if weak < strong
        and fewer.source == more.source
        and high.accuracy > low.accuracy
        and document(high.source) != document(low.source)
    ]


def _strength(column: Column) -> float | None:
    name = family(column.key)
    if name == AUTOATTACK:
        return math.inf
    steps = _STEPS.fullmatch(name)
    return int(steps[1]) if steps else None
