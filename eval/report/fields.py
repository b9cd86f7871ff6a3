"""What may stand in one field of a Report: types with a range, and texts that only say something.

A range is far above what any run reaches and far below what a reader cannot compute with.
"""

from __future__ import annotations

import re
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


def _as_note(text: object) -> object:
    return plain(text, LONGEST_NOTE) if isinstance(text, str) else text


Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(still)]
"""A name: one line."""

ImageId = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(still)]

Note = Annotated[str, BeforeValidator(_as_note)]
"""Words for people, of which nothing follows: what cannot be seen in them is written as escapes."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal digits."""

Moment = Annotated[
    str,
    Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])(:[0-5]\d){2}Z$"),
]
"""A time in UTC, to the second."""

Share = Annotated[float, Field(ge=0, le=1, strict=True)]
"""A fraction of the images; the bounds let no NaN pass."""

Seconds = Annotated[float, Field(ge=0, le=1e10, strict=True)]
"""Up to some centuries, on many machines together."""

ImageCount = Annotated[int, Field(ge=0, le=10**8, strict=True)]
PassCount = Annotated[int, Field(ge=0, le=10**15, strict=True)]
"""Below 2**53, above which other readers of JSON lose digits."""

Truth = Annotated[bool, Field(strict=True)]
