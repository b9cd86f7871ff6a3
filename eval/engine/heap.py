"""The heap of the C library: what torch frees on a CPU, the next pass needs again."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""mallopt(3): how much free memory at the top of the heap is given back to the system, and from
which size on a block is one of its own, given back as soon as it is freed. In bytes."""

OWN_LARGEST = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25}
"""What glibc itself raises these to, at most, in a process that uses large blocks."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within, memory that this process frees is kept for its next use; glibc only, else nothing.

    By itself glibc returns large blocks to the system at once and gets them back page by page, each
    filled with zeros, in every pass through a network. Afterwards all that is free is returned.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    # glibc before 2.34 takes no more than its own largest value, and says so by returning 0.
    libc.mallopt(MMAP_THRESHOLD, 2**30) or libc.mallopt(MMAP_THRESHOLD, 2**25)
    try:
        yield
    finally:
        for parameter, value in OWN_LARGEST.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        _ = libc.mallopt, libc.malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return None
    return libc
