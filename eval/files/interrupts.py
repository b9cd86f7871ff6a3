"""Ctrl-C, where it must not come between two things that belong together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A Ctrl-C during the block is answered behind it.

    Elsewhere than in the main thread, which alone is interrupted, the block just runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = list[int]()
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):  # ignored, or not Python's own
        yield
        return
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        usual(came[0], None)
