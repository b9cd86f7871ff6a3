"""Strangers' text in a page: it stays text, whatever characters it has."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from eval.report.percent import percent, percent_range

if TYPE_CHECKING:
    from eval.report.report import Accuracy


def sure(value: str) -> str:
    """`value` on one line without control characters: nothing in it can end the metadata."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def text(value: str) -> str:
    r"""`value` as Markdown that shows it: HTML and what Markdown reads are escaped.

    An address is shown, not linked: a page of ours vouches for no place that a card names.
    """
    escaped = re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", sure(value))
    escaped = html.escape(escaped, quote=False)
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def code(value: str) -> str:
    """`value` as inline code; a backtick would end it and a pipe would end a table's cell."""
    return f"`{sure(value).replace('`', chr(39)).replace('|', '/')}`"


def accuracy(share: Accuracy) -> str:
    """A share as people read it, in per cent: 76.7 (72.0 to 80.7), and "estimated" where it is."""
    estimated = ", estimated" if share.estimated else ""
    return f"{percent(share.accuracy)} ({percent_range(*share.ci95)}){estimated}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
