"""Text of strangers in files of ours: a model's name may hold anything at all."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\ and many commands a bracket would begin an argument
    "]": "{]}",
    **{char: f"\\{char}" for char in "{}$&#_%"},
}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$#!&]|(?<=\w):(?=//))")
_FORMULA = ("=", "+", "-", "@")


def plain(text: str) -> str:
    """One line without control, invisible and direction-changing characters.

    Those could move a terminal's cursor, or show a name other than the one that is there.
    """
    line = " ".join(text.split())
    # Split again: what is taken out may have stood between two spaces.
    return " ".join("".join(c for c in line if unicodedata.category(c)[0] != "C").split())


def markdown(text: str) -> str:
    """`text` as words in a Markdown table or list: no markup, no HTML, no link, no other cell."""
    line = _MARKDOWN.sub(r"\\\1", plain(text))
    # "www." is a link anywhere; a sign or number may begin a list or a rule at the start of a line.
    line = re.sub(r"\b(www)\.", r"\1\\.", line, flags=re.IGNORECASE)
    line = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)
    return f"\\{line}" if line.startswith(("-", "+", "=")) else line


def latex(text: str) -> str:
    """`text` as words in LaTeX."""
    return "".join(_LATEX.get(char, char) for char in plain(text))


def csv_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula; quoting is the csv module's."""
    line = plain(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
