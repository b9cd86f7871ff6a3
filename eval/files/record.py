"""JSON that a stranger wrote: parsed within limits, or refused with the reason. No torch here."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import Any, NoReturn

from eval.files.border import plain
from eval.files.limits import check, limits

# Possessive, so that a text that never ends costs one pass and no memory.
_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)

MOST_KEYS = 10**5
"""Of one object, where its reader expects no fewer."""


def parse_json(content: bytes, *, most_keys: int = MOST_KEYS) -> Any:
    """The value of a JSON text in UTF-8, of whose objects none has more than `most_keys` keys.

    Raises `ValueError` for what is no JSON, for NaN and infinities, for a key given twice in one
    object, and for more values, brackets within brackets or digits than `eval.files.limits` allow:
    each can otherwise ask for hours or gigabytes with a small file, or show two readers two things.
    """
    check("record_items", sum(content.count(sign) for sign in (b",", b"[", b"{")), "values")
    _check_depth(content)
    _check_digits(content)
    try:
        return json.loads(
            content.decode("utf-8"),
            parse_float=_decimal,
            parse_constant=_no_number,
            object_pairs_hook=partial(_object, most_keys),
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"Invalid JSON: {error}") from None


def _check_depth(content: bytes) -> None:
    depth, most = 0, limits().record_depth
    if content.count(b"[") + content.count(b"{") <= most:
        return  # as a Report has it, whose long lists hold no brackets
    for found in _BRACKET.finditer(content):
        sign = content[found.start()]
        if sign in b"[{":
            depth += 1
            if depth > most:
                check("record_depth", depth, "brackets within brackets, or more")
        elif sign in b"]}":
            depth -= 1


def _check_digits(content: bytes) -> None:
    # One search for the rare long run; asking at each number would take seconds for a million.
    most = min(limits().record_digits, 10**9)
    if found := re.search(rb"(?<!\d)\d{%d}\d*+" % (most + 1), content):
        check("record_digits", len(found[0]), "digits in a number")


def _decimal(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {plain(text, 40)} is too large")
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _object(most_keys: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > most_keys:
        raise ValueError(f"an object in it has {len(pairs):,} keys, more than {most_keys:,}")
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{plain(key, 40)}' stands twice in one object")
        found[key] = value
    return found
