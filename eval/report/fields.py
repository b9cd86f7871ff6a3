"""What may stand in one field of a Report: types with a range, and texts that only say something.

A range is far above what any run reaches and far below what a reader cannot compute with.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from eval.files.border import LONGEST, plain

SEEDS = range(-(2**63), 2**64)
"""Of random numbers: 64 bits, with or without a sign."""

LONGEST_ID = 4096
"""Characters of an image's id: it may be a path."""

LONGEST_NOTE = 4000
"""Characters of a command and of a flag's detail, which are shortened to it."""


_DRAWS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves the cursor, ends a line, turns the direction of writing, or is half a sign."""


def still(text: str) -> str:
    """`text`, unless it holds a control character. Raises `ValueError`."""
    if _DRAWS.search(text):
        raise ValueError(f"'{plain(text, 60)}' holds a control character")
    return text


MOST_MARKS = 3
"""Signs in a row that are drawn over the one before them: more of them leave their line."""


def as_name(text: str) -> str:
    """`text`, if a table can show it as it is: one line of signs that can be seen.

    Raises `ValueError` for an empty or blank text, for blanks around it or other than U+0020, for
    what is not printed or turns the direction of writing (control, format and private characters,
    halves of signs), and for heaps of marks over one letter.
    """
    still(text)
    if not text.strip():
        raise ValueError("it is empty, so that nobody knows what it is")
    if text != text.strip():
        raise ValueError(f"'{plain(text, 60)}' begins or ends with a blank")
    if hidden := next((sign for sign in text if not sign.isprintable()), ""):
        raise ValueError(f"'{plain(text, 60)}' holds U+{ord(hidden):04X}, which cannot be seen")
    n_marks = 0
    for sign in text:
        n_marks = n_marks + 1 if unicodedata.category(sign) in {"Mn", "Me"} else 0
        if n_marks > MOST_MARKS:
            raise ValueError(f"'{plain(text, 60)}' holds more than {MOST_MARKS} marks in a row")
    return text


def _as_note(text: object) -> object:
    return plain(text, LONGEST_NOTE) if isinstance(text, str) else text


Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(still)]
"""One line."""

Name = Annotated[str, Field(max_length=LONGEST), AfterValidator(as_name)]
"""A name as tables show it: see `as_name`."""

ImageId = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(still)]

Note = Annotated[str, BeforeValidator(_as_note)]
"""Words for people, of which nothing follows: what cannot be seen in them is written as escapes."""


def _is_a_digest(text: str) -> str:
    if len(set(text)) < 4:
        raise ValueError(f"{text[:12]}... is no digest of anything: it repeats itself")
    return text


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), AfterValidator(_is_a_digest)]
"""A SHA-256 in hexadecimal digits. Of 64 drawn at random, fewer than 4 kinds never come."""

_AT_LEAST_NOW = datetime(2027, 1, 1, tzinfo=UTC)
"""What the time is at least taken for, so that a clock that stands still makes nothing unreadable.
"""


def _is_a_moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is no date ({error})") from None
    if moment > max(datetime.now(UTC), _AT_LEAST_NOW) + timedelta(days=1):
        raise ValueError(f"{text} has not come yet")
    return text


Moment = Annotated[
    str,
    Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])(:[0-5]\d){2}Z$"),
    AfterValidator(_is_a_moment),
]
"""A time in UTC, to the second, which has come."""

Share = Annotated[float, Field(ge=0, le=1, strict=True)]
"""A fraction of the images; the bounds let no NaN pass."""

Seconds = Annotated[float, Field(ge=0, le=1e10, strict=True)]
"""Up to some centuries, on many machines together."""

ImageCount = Annotated[int, Field(ge=0, le=10**8, strict=True)]
PassCount = Annotated[int, Field(ge=0, le=10**15, strict=True)]
"""Below 2**53, above which other readers of JSON lose digits."""

Truth = Annotated[bool, Field(strict=True)]
