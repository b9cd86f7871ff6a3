"""Which images of a set are meant, as positions: how Python, NumPy and torch write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.errors import DataError, UsageError
from eval.files.border import plain

Rows = NDArray[np.int64]
Positions = slice | Sequence[int] | NDArray[np.integer[Any]] | NDArray[np.bool_]


class PositionError(UsageError, IndexError):
    """A position that no image has; by IndexError Python knows that a sequence is at its end."""


def from_the_end(key: object, n: int, called: str) -> Rows:
    """Positions as Python and NumPy write them -> in [0, n): () of one, (B,) of several.

    key: a whole number, also from the end; a list or array of them; n truth values. called: the
    set, for errors. Raises UsageError for anything else, `PositionError` for one outside.
    """
    found = np.asarray(key)
    if found.dtype == bool and found.shape == (n,):
        return np.flatnonzero(found)
    if found.ndim == 1 and found.size == 0:
        return np.zeros(0, np.int64)
    if found.dtype.kind not in "iu" or found.ndim > 1:
        hint = ": use select_ids for ids" if found.dtype.kind == "U" else ""
        raise UsageError(
            f"images of {called} have positions 0 to {n - 1}, and {plain(repr(key), 40)} is"
            f" none{hint}"
        )
    whole = found.astype(np.int64)
    outside = np.atleast_1d(whole[(whole < -n) | (whole >= n)])
    if len(outside):
        raise PositionError(_outside(outside[0], n, called))
    return np.where(whole < 0, whole + n, whole)


def checked(positions: Sequence[int] | Rows, n: int, called: str) -> Rows:
    """Positions (B,), each in [0, n). Raises UsageError for others."""
    chosen = np.asarray(positions)
    if chosen.size == 0:
        return np.zeros(0, np.int64)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise UsageError(f"positions must be whole numbers in one row, got {chosen.dtype}")
    outside = chosen[(chosen < 0) | (chosen >= n)]
    if len(outside):
        raise UsageError(_outside(outside[0], n, called))
    return chosen.astype(np.int64)


def check_memory(n_bytes: int, called: str) -> None:
    """Raises DataError where `n_bytes` of tensors are more than the memory that is free."""
    import torch

    from eval.engine.batching import free_bytes

    free = free_bytes(torch.device("cpu"))
    if n_bytes > free:
        raise DataError(
            f"the images of {called} are {n_bytes / 1e9:.1f} GB as tensors, and {free / 1e9:.1f} GB"
            " are free: take fewer, or a batch at a time with images.batches(64)"
        )


def _outside(position: int, n: int, called: str) -> str:
    return f"position {position} is outside {called}, which has positions 0 to {n - 1}"
