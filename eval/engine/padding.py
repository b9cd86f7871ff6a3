"""Batches of a few fixed sizes: what is prepared once a size can then be used again."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 16
"""From here down a GPU takes as long for fewer rows, so that no smaller size is worth preparing."""


def ladder(batch_size: int) -> tuple[int, ...]:
    """`batch_size`, half of it, a quarter and so on, the smallest first: it is `LEAST` at most."""
    sizes = [batch_size]
    while sizes[0] > LEAST:
        sizes.insert(0, -(-sizes[0] // 2))
    return tuple(sizes)


def rung(n: int, sizes: tuple[int, ...]) -> int:
    """The smallest of `sizes` that holds `n` rows; `n` itself where none does, or for no rows."""
    return min((size for size in sizes if size >= n > 0), default=n)


def padded(x: Tensor, size: int) -> Tensor:
    """Images x (B, ...) and after them copies of them in turn: (size, ...); size: B or more.

    Copies, not zeros: a model meets nothing but images that it meets anyway.
    """
    if size == len(x):
        return x
    return x[torch.arange(size, device=x.device) % len(x)]
