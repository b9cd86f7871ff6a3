"""One number as pages show it: its words, its own interval, whose it is and where it comes from."""

from __future__ import annotations

import re
from typing import Any

from eval.fingerprint import short
from leaderboard.columns import Column, title
from leaderboard.numbers import BestKnown, Claimed, Measured, Number
from leaderboard.origins import measured_by
from leaderboard.site.boardview import LABELS, WHOSE
from leaderboard.site.terms import term_of
from leaderboard.texts import Cell

_IN_A_REPOSITORY = re.compile(
    r"(?P<path>[\w./-]+) of (?P<repository>github\.com/[\w.-]+/[\w.-]+)"
    r" at (?P<commit>[0-9a-f]{7,40})\b"
)


def number_view(it: Column, found: Number, source: Number | None = None) -> dict[str, Any]:
    """A number of the column `it`; source: the number that names its source, itself by default.

    text: per cent. range: its own 95 % interval. of: what it counts. term: of `terms.TERMS`.
    """
    words = Cell.of(found)
    return {
        "what": LABELS.get(it.key, title(it.key)),
        "term": term_of(it),
        "kind": it.source,
        "whose": whose(it, found),
        "found_by": "",
        "text": words.text,
        "range": f"{words.range}{words.mark}",
        "of": _of(found),
        "fingerprint": _fingerprint(found),
        **_source(found if source is None else source),
    }


def best_view(best: BestKnown, source: Number | None = None) -> dict[str, Any]:
    """A best known number: that of a column, or of a stronger evaluation that its source names."""
    line = number_view(best.column, best.number, source)
    found_by = f"stronger than {line['what']}" if best.stronger else line["what"]
    if best.by_authors:
        line |= {"kind": best.whose, "whose": "its authors, beside a third party"}
    return line | {"what": "Robust, best known", "term": "best-known", "found_by": found_by}


def whose(it: Column, found: Number) -> str:
    """Who found a number, in words."""
    if isinstance(found, Measured):
        return measured_by(found.origin, reran=found.reran)
    return WHOSE[it.source]


def source_link(source: str) -> str | None:
    """The address of the file that a source names: "PATH of github.com/OWNER/NAME at COMMIT"."""
    found = _IN_A_REPOSITORY.match(source)
    if found is None:
        return None
    return f"https://{found['repository']}/blob/{found['commit']}/{found['path']}"


def _of(found: Number) -> str:
    if isinstance(found, Measured) and found.correct is not None:
        return f"{found.correct:,} of {found.n:,} images"
    if isinstance(found, Measured) and found.estimated is not None:
        return f"{found.estimated.n_open:,} of {found.n:,} images open"
    return f"of {found.n:,} images" if found.n is not None else "n not stated"


def _fingerprint(found: Number) -> str:
    """Of the hyper-parameters, short; "" where nobody states them, and of clean accuracy."""
    known = found.fingerprint if isinstance(found, Measured | Claimed) else None
    return short(known) if known else ""


def _source(found: Number) -> dict[str, Any]:
    if isinstance(found, Measured):
        return {"source": found.report_path.name, "link": None, "note": None}
    if isinstance(found, Claimed):
        link = source_link(found.source)
        return {"source": found.source, "link": link, "note": found.note}
    return {"source": None, "link": None, "note": None}
