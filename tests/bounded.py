"""What every reader of a stranger's bytes keeps to: one sentence, few seconds, little memory."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from eval.errors import SatZooError

MEGABYTES = 500
SECONDS = 8  # two without the tracing of memory, and where no other tests run beside


@contextmanager
def refused(error: type[SatZooError], match: str) -> Iterator[None]:
    """What stands within raises one visible line of `error` in bounded time and memory."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(error, match=match) as caught:
            yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000
    assert peak < MEGABYTES * 2**20
    assert time.monotonic() - started < SECONDS


def complaint(action: Callable[[], object]) -> str:
    """What an error of ours says that `action` raises; "" where it raises none."""
    try:
        action()
    except SatZooError as error:
        assert str(error).isprintable()  # noqa: PT017 (what is raised, if anything is)
        return str(error)
    return ""
