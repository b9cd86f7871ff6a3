"""Text that people bring: lists of classes, ids, labels and orders, read in one way.

Whoever saved the file, and with what: UTF-8 with or without a byte order mark, UTF-16 and UTF-32
with one (Notepad's "Unicode"), lines that end as on Linux, Windows or old Macs.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from eval.errors import DataError
from eval.files.border import LONGEST_PATH, border, plain, read_bytes
from eval.files.limits import check

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Not `str.splitlines`: it also splits at characters that may stand inside a name.
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_INNER_MARK = "\ufeff"  # left at the start of a line where files were joined
_DOS_END = "\x1a"


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file; see `lines_of`. `what` it should be is for the error.

    Raises DataError when the file cannot be read, is larger than the limits or is no text.
    """
    with border(path, DataError, f"name {what}"):
        data = read_bytes(path, "list_bytes")
        n_lines = max(data.count(b"\n"), data.count(b"\r"))
        check("list_lines", n_lines, "lines")
    return lines_of(data, plain(str(path), LONGEST_PATH))


def lines_of(data: bytes, where: str) -> list[str]:
    """The lines of a text, without blanks at their ends; empty lines stay, so that they count.

    Raises DataError, naming `where` and the line, for bytes that are no text in the encoding that
    the mark tells (UTF-8 without one), and for NUL and other control characters than tabs.
    """
    mark, encoding = next((one for one in _MARKS if data.startswith(one[0])), (b"", "utf-8"))
    data = data[len(mark) :]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        line = _line_at(data[: problem.start].decode(encoding, "replace"))
        raise DataError(
            f"{where}: line {line} is not {encoding.upper()} (byte 0x{data[problem.start]:02x});"
            " save it as UTF-8"
        ) from None
    text = text.removesuffix(_DOS_END)
    wrong = _CONTROL.search(text)
    if wrong is not None:
        name = "a NUL" if wrong.group() == "\0" else f"the control character {wrong.group()!a}"
        raise DataError(
            f"{where}: line {_line_at(text[: wrong.start()])} holds {name}, so it is no text in"
            f" {encoding.upper()}; save it as UTF-8"
        )
    lines = [line.lstrip(_INNER_MARK).rstrip() for line in _LINE_END.split(text)]
    return lines[:-1] if not lines[-1] else lines


def nfc(name: str) -> str:
    """The spelling in which names are compared: macOS writes an accent as a letter of its own."""
    return unicodedata.normalize("NFC", name)


def spellings(names: Iterable[str], where: str) -> dict[str, str]:
    """For each name its `nfc`.

    Raises DataError, naming `where`, when two become the same, and for names that no list of names
    can hold: of bytes that are not UTF-8, or of several lines.
    """
    first: dict[str, str] = {}
    for name in names:
        if "\n" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"{where} holds {name!a}, which is no name in UTF-8; rename it")
        other = first.setdefault(nfc(name), name)
        if other != name:
            raise DataError(
                f"{where} holds {other!a} and {name!a}, which are one name in two Unicode"
                " spellings; rename or merge them"
            )
    return {name: spelled for spelled, name in first.items()}


def _line_at(before: str) -> int:
    return len(_LINE_END.findall(before)) + 1
