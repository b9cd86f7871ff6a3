"""Docstrings as they are written here -> reStructuredText, the one language that autodoc reads.

The house form is plain text: paragraphs, `code` in single backticks, lines "name, name: what it is"
that go on further in, lists with "- ", a head such as "Args:" above such lines, and formulas four
columns further in. Every other sign is only itself, so all that reStructuredText would take for
markup is escaped, and no docstring can be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ITEM = re.compile(r"^(?P<names>`?[A-Za-z_][\w.]*`?(?:, ?`?[\w.]+`?)*): +(?=\S)")
"""Arguments and what they are; a sentence that has a colon has a space before it."""

_NEXT = re.compile(r"(?<=\.) (?=[a-z_]\w*(?:, \w+)*: )")

_HEAD = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Source|Cost|Example|Examples):$")


def converted(lines: Iterable[str], known: Iterable[str] = ()) -> list[str]:
    """A docstring, already without its margin, in reStructuredText.

    known: names of objects that have an entry in these pages, to which their mention then leads.
    """
    names = frozenset(known)
    out: list[str] = []
    for block in _blocks([line.rstrip() for line in lines]):
        head, rest = block[0], block
        if _HEAD.match(head):
            out += [f"**{head[:-1]}**", ""]
            rest = _without_margin(block[1:])
        if rest:
            out += [*_body(rest, names), ""]
    return out


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line:
            block.append(line)
        elif block:
            yield block
            block = []


def _without_margin(lines: list[str]) -> list[str]:
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return [line[margin:] for line in lines]


def _body(block: list[str], known: frozenset[str]) -> Iterator[str]:
    if all(line.startswith("    ") for line in block):  # a formula, or an example
        yield from ["::", "", *block]
        return
    entries: list[str] = []
    margin = 0
    for line in block:
        text, depth = line.strip(), len(line) - len(line.lstrip())
        starts = _ITEM.match(text) or text.startswith("- ")
        if not entries:
            margin = depth
        if entries and not (starts and depth <= margin):
            entries[-1] += " " + text
        else:
            entries.append(text)
    for text in (one for entry in entries for one in _apart(entry)):
        item = _ITEM.match(text)
        if item:
            names = _escaped(item["names"].replace("`", ""))
            yield f"- **{names}**: {_text(text[item.end() :], known)}"
        elif text.startswith("- "):
            yield f"- {_text(text[2:], known)}"
        else:
            yield _text(text, known)
        yield ""


def _apart(entry: str) -> list[str]:
    """Items that stand in one line: "y: labels. key: see there" are two."""
    return _NEXT.split(entry) if _ITEM.match(entry) else [entry]


def _text(text: str, known: frozenset[str]) -> str:
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        _code(part[1:-1], known) if i % 2 else _escaped(part) for i, part in enumerate(parts)
    )


def _code(text: str, known: frozenset[str]) -> str:
    if text in known:
        return f"\\ :py:obj:`{text}`\\ "
    return f"\\ ``{text}``\\ "


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_`|<>\[\]])", r"\\\1", text)


def _process(
    app: Sphinx, _what: str, name: str, obj: object, _options: Any, lines: list[str]
) -> None:
    from docs.extensions.generated import fields_of, public

    lines[:] = converted(list(lines), public()) + fields_of(obj)


def _without_constructor(
    _app: Sphinx, _what: str, _name: str, obj: object, *_: Any
) -> tuple[str, str] | None:
    """Of a pydantic model: nobody calls it with its thirty fields, which are listed below."""
    return ("", "") if _is_model(obj) else None


def _is_model(obj: object) -> bool:
    return isinstance(obj, type) and issubclass(obj, BaseModel)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _without_constructor)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
