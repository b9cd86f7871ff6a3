"""Ctrl-C and SIGTERM as requests: the step is finished and a checkpoint written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Whether a signal has asked to stop; number: of the first one, 0 for none."""

    number: int = 0

    def is_made(self) -> bool:
        """Whether one has."""
        return self.number != 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Inside, the first signal only makes the request; a second one interrupts."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if not request.is_made():
            request.number = number
            return
        usual = before[signal.Signals(number)]
        if callable(usual):
            usual(number, frame)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield request  # signals reach the main thread alone
        return
    numbers = [one for one in STOPPING if signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
