"""What every reader of a stranger's bytes keeps to: one sentence, few seconds, little memory."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from eval.errors import SatZooError

MEGABYTES = 500
SECONDS = 8
"""Of processors, so that a busy machine fails no test; two, where coverage is not counted."""

PATIENCE = 120
"""Seconds on the clock: nothing is waited for."""


@contextmanager
def refused(error: type[SatZooError], match: str) -> Iterator[None]:
    """What stands within raises one visible line of `error` in bounded time and memory."""
    started, worked, before = time.monotonic(), time.process_time(), _restarted_peak()
    with pytest.raises(error, match=match) as caught:
        yield
    seconds, after = time.process_time() - worked, _resident("VmHWM")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000
    assert seconds < SECONDS
    assert time.monotonic() - started < PATIENCE
    assert after - before < MEGABYTES * 1000


def _restarted_peak() -> int:
    """What is resident now, from where on the peak is counted again."""
    # Not `tracemalloc`: to stop it while a thread of Arrow allocates ends the interpreter.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def _resident(which: str) -> int:
    """In kB; 0 where the system does not tell it."""
    try:
        return int(re.findall(rf"{which}:\s+(\d+)", Path("/proc/self/status").read_text())[0])
    except (OSError, IndexError):
        return 0


def complaint(action: Callable[[], object]) -> str:
    """What an error of ours says that `action` raises; "" where it raises none."""
    try:
        action()
    except SatZooError as error:
        assert str(error).isprintable()  # noqa: PT017 (what is raised, if anything is)
        return str(error)
    return ""
