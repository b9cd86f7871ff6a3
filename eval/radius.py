"""Numbers as people write them: "8/255", 0.5, numpy's floats -> one exact fraction and one text.

A radius decides on which table a result stands, so a float must mean a fraction that can be named,
and one number must have one text however it was written.
"""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, SupportsFloat

from eval.errors import UsageError

Number = str | SupportsFloat
"""How a public function takes one: a text, a number of Python or numpy, a tensor of one element."""

TOLERANCE = 1e-9
"""How far a float may lie from the fraction that is meant."""

MAX_DENOMINATOR = 1000
"""Of the fractions that a float may mean: they lie 1e-6 apart, so that at most one is near."""

MAX_TEXT = 40
"""Characters of a number; what is longer, or has an exponent of three digits, is none."""

_SINGLE = 2.0**-24
"""Half a unit in the last place of float32, as a share of the number."""

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


def parse(text: str) -> Fraction:
    """The number in a text such as "8/255", "8.0 / 255", "0.5" or "5e-1".

    Spaces count only within a number, where "1 6/255" may be meant as 16/255 or as 1 and 6/255.
    Raises `ValueError` for what is no number or longer than `MAX_TEXT`: a text of 13 characters
    can otherwise ask for a number of a gigabyte.
    """
    parts = [part.strip(" ") for part in text.split("/")]
    has_signs_below = parts[-1][:1] in {"+", "-"} and len(parts) > 1
    if len(text) > MAX_TEXT or len(parts) > 2 or has_signs_below:
        raise ValueError(f"{_short(text)} is not a number")
    if not all(map(_DECIMAL.fullmatch, parts)):
        raise ValueError(f"{_short(text)} is not a number")
    if len(parts) == 1:
        return Fraction(parts[0])
    below = Fraction(parts[1])
    if below == 0:
        raise ValueError(f"{_short(text)} divides by zero")
    return Fraction(parts[0]) / below


def exact(value: object, what: str, example: str) -> Fraction:
    """The fraction that `value` is: a text, a whole number, or a number near a short fraction.

    value: as a caller gave it; numpy's numbers and tensors of one element count as numbers. A
    Decimal or a Fraction is itself, unless it is near a short fraction without being one, as
    Decimal(8) / 255 is: then it is that, like the float.
    what, example: for errors, the argument's name and what to write instead.

    Raises `UsageError` for what is no number, and for a float that is not within 1e-9 of a
    fraction with a denominator of at most `MAX_DENOMINATOR`, as every k/255 is (a float32 may be
    off by its own rounding).
    """
    share = 0.0
    if not isinstance(value, str) and hasattr(value, "item") and hasattr(value, "dtype"):
        share = _SINGLE if value.dtype.itemsize == 4 else 0.0
        value = _only(value, what, example)
    if isinstance(value, float):
        return _of_float(value, max(TOLERANCE, 1.01 * share * abs(value)), what, example)
    try:
        if isinstance(value, bool):
            raise ValueError
        if (short := _short_fraction(value)) is not None:
            return short
        number = parse(str(value))  # of a Decimal or a Fraction too, so that these are bounded
        if len(text_of(number)) > MAX_TEXT:
            raise ValueError
        return number
    except ValueError:
        raise UsageError(
            f"{what} {_short(value)} is not a number: write a fraction, 8/255, or a decimal, 0.03"
        ) from None


def _only(value: Any, what: str, example: str) -> object:
    """The one element of an array or a tensor."""
    try:
        return value.item()
    except (ValueError, RuntimeError):
        raise UsageError(
            f"{what} holds {value.size if isinstance(value.size, int) else value.numel()} numbers,"
            f" and one is needed: write {example}"
        ) from None


def _short_fraction(value: object) -> Fraction | None:
    """What a Decimal or a Fraction means that is no short fraction itself but near one."""
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    if not isinstance(value, Decimal | Fraction):
        return None
    if not -(10**9) < value < 10**9:
        return None
    near = Fraction(float(value)).limit_denominator(MAX_DENOMINATOR)
    return near if near and abs(float(near) - float(value)) <= TOLERANCE else None


def whole_number(value: object, what: str, example: int) -> int:
    """`value` as Python's whole number, also one of numpy's or a tensor's.

    what: the argument's name. Raises `UsageError` for anything else, 1.0 and True too.
    """
    try:
        if isinstance(value, bool | str):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(
            f"`{what}` {_short(value)} is no whole number: give for example {example}"
        ) from None


def check_text(value: object, what: str, example: str) -> None:
    """Raises `UsageError` for what is no text; what: the argument's name."""
    if not isinstance(value, str):
        raise UsageError(f"`{what}` is a {type(value).__name__} and no text: give {example}")


def text_of(number: Fraction) -> str:
    """The one text of a number: "8/255" for 16/510 and 8.0/255, "0.5", "3/16", "0.031", "2"."""
    if number.denominator == 1:
        return str(number)
    if 255 % number.denominator == 0 and number < 1:
        return f"{255 * number}/255"
    # Short fractions are how people write them, 3/16; but half a unit in L2 is "0.5" everywhere.
    if 2 < number.denominator <= 255:
        return str(number)
    for places in range(1, MAX_TEXT):
        scaled = abs(number) * 10**places
        if scaled.denominator == 1:
            whole, part = divmod(int(scaled), 10**places)
            return f"{'-' * (number < 0)}{whole}.{part:0{places}}"
    return str(number)


def _of_float(value: float, tolerance: float, what: str, example: str) -> Fraction:
    if not abs(value) < 1e9:  # false for NaN too
        raise UsageError(f"{what} {value!r} is not a number that can be: write {example}")
    near = Fraction(value).limit_denominator(MAX_DENOMINATOR)
    if abs(near - Fraction(value)) <= tolerance and (near or not value):
        return near
    pixels = Fraction(round(255 * value), 255)
    meant = f'"{text_of(pixels)}", if that is meant, or ' if pixels > 0 else ""
    raise UsageError(
        f"{what} {value!r} is near no short fraction, so that nobody could say later what it was:"
        f' write {meant}exactly this number as a text, "{value!r}"'
    )


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "with thousands of digits"
    return text if len(text) <= MAX_TEXT + 2 else f"{text[:MAX_TEXT]}..."
