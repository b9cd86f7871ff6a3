"""What attacks do with some rows of a batch, and with all of them a few at a time.

Arithmetic on a whole batch of images walks through memory once for every operation. A slice of it
stays in the processor's cache from the first operation to the last.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

GRAIN = 32_768
"""Numbers of a slice for each thread: from here on torch itself splits an operation between two
threads, and the few tensors of this size that a step works on fit a core's own cache."""


def may_ask(x: Tensor) -> bool:
    """Whether the host may ask for a value that is computed where `x` is: a GPU makes it wait."""
    return not x.is_cuda


def slices(images: Tensor) -> Iterator[slice]:
    """Consecutive rows of `images` (B, ...) to work on at a time; on a GPU all of them at once."""
    n, per_row = len(images), max(images.shape[1:].numel(), 1)
    size = max(GRAIN * torch.get_num_threads() // per_row, 1) if may_ask(images) else n
    yield from (slice(start, start + size) for start in range(0, n, max(size, 1)))


def rows_where(mask: Tensor) -> Tensor | slice:
    """An index of the rows where `mask` (B,), int64 (R,); of all rows where that must be asked."""
    return mask.nonzero().squeeze(1) if may_ask(mask) else slice(None)


def put_rows(target: Tensor, mask: Tensor, source: Tensor) -> None:
    """Overwrite the rows of `target` where `mask` (B,) with those of `source`; both (B, ...)."""
    if not may_ask(target):
        target.copy_(where_rows(mask, source, target))
        return
    rows = mask.nonzero().squeeze(1)
    if len(rows):
        target.index_copy_(0, rows, source.index_select(0, rows))


def where_rows(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Rows of `a` where `mask` (B,), else of `b`; both (B, ...)."""
    return torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b)
