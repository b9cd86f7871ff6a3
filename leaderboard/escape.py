"""Text of strangers in files of ours: a model's name may hold anything at all."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

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
    # Not \{ and \}: BibTeX counts those too, and one of them alone would end the entry.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    **{char: f"\\{char}" for char in "$&#_%"},
    **{"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}"},
    **{"ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"},
    **{"‐": "-", "‑": "-", "–": "--", "—": "---", "−": "$-$", "…": r"\dots{}"},
    **{"‘": "`", "’": "'", "“": "``", "”": "''", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$"},
    **{"≤": r"$\le$", "≥": r"$\ge$", "∞": r"$\infty$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$"},
    **{"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\epsilon$"},
    **{"λ": r"$\lambda$", "μ": r"$\mu$", "µ": r"$\mu$", "σ": r"$\sigma$", "τ": r"$\tau$"},
}
_ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308", "`'^~=u.\"", strict=True))
_ACCENTS |= dict(zip("\u030a\u030b\u030c\u0323\u0327\u0331", "rHvdcb", strict=True))
# Every sign of these is in the fonts that any LaTeX has (OT1), so that no package is wanted.
LONGEST_NAME = 60
"""Characters of a name that a table shows; the longest published one has 44."""
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$#!&]|(?<=\w):(?=//))")
_FORMULA = ("=", "+", "-", "@")


def plain(text: str) -> str:
    """One line without control, invisible and direction-changing characters.

    Those could move a terminal's cursor, or show a name other than the one that is there.
    """
    line = " ".join(text.split())
    if line.isprintable():  # nearly always; nothing of category C is printable
        return line
    # Split again: what is taken out may have stood between two spaces.
    return " ".join("".join(c for c in line if unicodedata.category(c)[0] != "C").split())


def in_json(text: str) -> str:
    """JSON in which what cannot be seen is written as escapes, so that a terminal can show it.

    text: JSON, where such characters can stand within strings alone.
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def markdown(text: str) -> str:
    """`text` as words in a Markdown table or list: no markup, no HTML, no link, no other cell."""
    line = _MARKDOWN.sub(r"\\\1", plain(text))
    # "www." is a link anywhere; a sign or number may begin a list or a rule at the start of a line.
    line = re.sub(r"\b(www)\.", r"\1\\.", line, flags=re.IGNORECASE)
    line = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)
    return f"\\{line}" if line.startswith(("-", "+", "=")) else line


def latex(text: str) -> str:
    """`text` as words in LaTeX, in ASCII, for any engine, font encoding and BibTeX.

    Letters of the Latin script keep their accents. What LaTeX cannot set without a package of its
    script, such as Hebrew, is written by its code points: "[U+05E9 U+05DC]". `latex_original`
    gives a comment for the line above, with the text itself.
    """
    done, unset, last = "", list[str](), ""
    for char in unicodedata.normalize("NFC", plain(text)):
        piece = _in_latex(char)
        if piece is None:
            unset.append(f"U+{ord(char):04X}")
        else:
            # Two hyphens would become one dash, and two quotes another sign.
            apart = "{}" if char == last and char in "-'" else ""
            done, unset = f"{done}{_by_code_points(unset)}{apart}{piece}", []
        last = char
    return done + _by_code_points(unset)


def latex_original(text: str) -> str | None:
    """A comment line with `text` as it is, where `latex` had to write code points; else None."""
    line = plain(text)
    can_be_set = all(_in_latex(char) is not None for char in unicodedata.normalize("NFC", line))
    return None if can_be_set else f"% {line}"


def _in_latex(char: str) -> str | None:
    """One character of NFC in LaTeX; None for what needs a package of its script."""
    if char in _LATEX:
        return _LATEX[char]
    if char.isascii():
        return char
    base, *marks = list(unicodedata.normalize("NFD", char))
    if not base.isascii() or not base.isalpha() or not marks or not _ACCENTS.keys() >= set(marks):
        return None
    for mark in marks:
        base = f"\\{_ACCENTS[mark]}{{{base}}}"
    return base


def _by_code_points(points: Sequence[str]) -> str:
    return f"{{[}}{' '.join(points)}{{]}}" if points else ""


def short(text: str, most: int = LONGEST_NAME) -> str:
    """A name as tables show it: at most `most` characters, the middle of a longer one left out.

    The end stays, since it is what tells two models of one name apart: "(weights 1a2b3c4d)".
    """
    line = plain(text)
    if len(line) <= most:
        return line
    n_end = most // 3
    return f"{line[: most - n_end - 1]}…{line[-n_end:]}"


def csv_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula; quoting is the csv module's."""
    line = plain(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
