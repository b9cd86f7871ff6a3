"""How far a download is, in a line now and then, where no bar can be drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 30.0
"""Between two lines; the first comes after as long."""


def lines(
    name: str, remark: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int | None], None]:
    """Gives what is to be told the bytes that are here, of how many; that is said in a line.

    clock: seconds that never go back. Where nothing comes any more, nothing is said.
    """
    said_at = clock()

    def tell(done: int, total: int | None) -> None:
        nonlocal said_at
        if clock() - said_at < EVERY_S:
            return
        said_at = clock()
        of = "" if total is None else f" of {total / 1e6:.1f}"
        remark(f"fetching {name}: {done / 1e6:.1f}{of} MB are here")

    return tell
