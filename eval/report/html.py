"""What a notebook shows of a Report and of a curve: one piece of HTML that needs nothing else.

Every text may be a stranger's and is escaped. Colours are the page's own, light or dark; styles
stand at each element, since notebooks take style sheets out of pages that nobody trusts yet.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from eval.files.border import plain
from eval.report.summary import findings, heading, stage_columns, stage_rows

if TYPE_CHECKING:
    from eval.report.parts import Flag
    from eval.report.report import Report

_MOST = 2000
"""Characters of one text."""

_CELL = "padding:.1em .9em .1em 0;border:0;background:none;color:inherit;white-space:nowrap"
_FLAG = "border-left:.25em solid #b8860b;padding-left:.6em;margin:.2em 0"


def report_html(report: Report) -> str:
    """The same as the terminal shows of a Report, with its flags first."""
    lines = [
        line(f"{finding.label} {finding.text}".strip(), is_bold=finding.is_main)
        for finding in findings(report)
    ]
    return box(
        line(heading(report), name=report.model.name),
        flags(report.flags),
        table(stage_columns(report), stage_rows(report)),
        *lines,
        line(f"{report.seconds:.0f} s"),
    )


def box(*parts: str) -> str:
    """All of it, in the page's own colours."""
    return f'<div style="color:inherit;line-height:1.5">{"".join(parts)}</div>'


def line(text: str, *, name: str = "", is_bold: bool = False) -> str:
    """One line; name: in bold before it."""
    said = f"{f'<b>{escaped(name)}</b>' if name else ''}{escaped(text)}"
    return f"<div>{f'<b>{said}</b>' if is_bold else said}</div>"


def flags(found: Iterable[Flag], prefix: str = "") -> str:
    """Each flag, where it cannot be overlooked."""
    return "".join(
        f'<div style="{_FLAG}"><b>{escaped(prefix)}flag {escaped(flag.code)}:</b>'
        f" {escaped(flag.detail)}</div>"
        for flag in found
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    head = "".join(_cell("th", text, i) for i, text in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, i) for i, text in enumerate(row))}</tr>" for row in rows
    )
    return (
        '<table style="border-collapse:collapse;margin:.4em 0;border:0;background:none">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def escaped(text: str) -> str:
    """A stranger's text as HTML may hold it, on one line and visible."""
    return html.escape(plain(text, _MOST))


def _cell(tag: str, text: str, column: int) -> str:
    side = "right" if column else "left"
    return f'<{tag} style="{_CELL};text-align:{side}">{escaped(text)}</{tag}>'
