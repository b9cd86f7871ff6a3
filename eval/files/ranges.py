"""Going on with half a file over HTTP: what is asked for, what came, and its bytes to the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

_RANGE = re.compile(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)")


def headers_from(start: int) -> dict[str, str]:
    """What asks for a file from byte `start` on, as it is stored."""
    asked = {"Accept-Encoding": "identity"}  # of a compressed answer no byte has its place
    return {**asked, "Range": f"bytes={start}-"} if start else asked


def begins_at(answer: httpx2.Response) -> tuple[int, int | None] | None:
    """Where in the file a 206 begins, and the length of the whole if told; None if it says not."""
    told = _RANGE.match(answer.headers.get("Content-Range", ""))
    if answer.status_code != 206 or told is None:
        return None
    return int(told[1]), int(told[2]) if told[2].isdecimal() else None


def append(
    answer: httpx2.Response,
    part: Path,
    start: int,
    *,
    at_most: int | None,
    on_bytes: Callable[[int], None] | None = None,
    check_first: Callable[[bytes], None] | None = None,
) -> int:
    """Write the answer into `part` from byte `start` on; returns how many bytes it then has.

    Whatever ends it early, the bytes that came stay. start: 0 begins anew.
    at_most: the length of the whole; it stops after the first chunk beyond: this is another file.
    on_bytes: told how many are there. check_first: sees the first bytes of the file before they
    are written, and may raise.
    """
    done = start
    with open(part, "r+b" if start else "wb", opener=_no_link) as file:
        file.seek(start)
        # As it comes: in chunks of one size, what a cut leaves of the last one would be lost.
        for chunk in answer.iter_raw():
            if done == 0 and check_first is not None:
                check_first(chunk)
            file.write(chunk)
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done)
            if at_most is not None and done > at_most:
                break
    return done


def _no_link(path: str, flags: int) -> int:
    """Open a file whose name can be guessed: through a link there it would be another's."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
