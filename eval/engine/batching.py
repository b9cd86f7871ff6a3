"""How many images to compute at once: as many as fit, and half of that when they did not."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor, nn

from eval.engine.cost import memory_bytes
from eval.errors import ModelError, first_line

if TYPE_CHECKING:
    from eval.data import ImageSet

T = TypeVar("T")

STATE_IMAGES = 24
"""Images' worth of memory that a search keeps a row, random numbers and copies included."""

SHARE_OF_FREE = 0.5
"""Of the free memory; the rest is for the polish, for the allocator and for others."""

MOST_IMAGES = {"cpu": 128, "cuda": 1024}
MOST_PIXELS = {"cpu": 2**21, "cuda": 2**24}
"""Beyond these a device is full and a larger batch only delays the first verdict."""

REFERENCE_BATCH = 128
"""Of the reference engine, whose verdicts depend on it: the same on every machine."""

UNMEASURED = 32
"""The batch for a model that cannot be measured."""


def fitting_batch_size(
    model: nn.Module, data: ImageSet, engine: Literal["fast", "reference"], device: torch.device
) -> int:
    """The batch size to use where nobody chose one; model: in eval mode, on `device`."""
    if engine == "reference":
        return REFERENCE_BATCH
    return auto_batch_size(model, data, device)


def auto_batch_size(model: nn.Module, data: ImageSet, device: torch.device) -> int:
    """A power of two that fits into half of the free memory of `device`.

    model: in eval mode, on `device`. Verdicts do not depend on the result.
    """
    x = data.batch([0]).x.to(device)
    try:
        per_image = memory_bytes(model, x) + STATE_IMAGES * x.nbytes
    except Exception:  # an estimate must not end a run that can do without
        return UNMEASURED
    fits = int(free_bytes(device) * SHARE_OF_FREE) // per_image
    kind = "cuda" if device.type == "cuda" else "cpu"
    most = min(MOST_IMAGES[kind], MOST_PIXELS[kind] // (x.shape[2] * x.shape[3]))
    return int(2 ** (max(min(fits, most), 1).bit_length() - 1))


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken: of the GPU, or of this machine or its container."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    known = [_meminfo(Path("/proc/meminfo")), _control_group(Path("/sys/fs/cgroup"))]
    found = [size for size in known if size is not None]
    # Without either (macOS, Windows) half of the memory, or 2 GiB if even that is not told.
    return min(found) if found else _physical() // 2


def _meminfo(path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    kib = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return kib[0] * 1024 if kib else None


def _control_group(folder: Path) -> int | None:
    """What a container may still take; exceeding it kills the process without an error."""
    try:
        limit = int((folder / "memory.max").read_text())
        return max(limit - int((folder / "memory.current").read_text()), 0)
    except (OSError, ValueError):  # no container, or the limit "max"
        return None


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    signs = ("DefaultCPUAllocator", "can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def no_memory(where: str, error: BaseException) -> ModelError:
    """What to say when even a batch of one image is too many; where: a stage."""
    return ModelError(
        f"not even one image fits into memory in {where} ({first_line(error)}): end other"
        " programs, or use another `device`"
    )


def warn_of_halving(where: str, batch_size: int) -> None:
    """Say that the run goes on with smaller batches."""
    warnings.warn(
        f"out of memory in {where}: going on with batches of {batch_size}",
        RuntimeWarning,
        stacklevel=3,
    )


class WithinMemory:
    """Work on batches of images, with half the batch size whenever memory runs out.

    batch_size: that fitted so far. where: what is being done, for people.
    """

    def __init__(self, batch_size: int, where: str) -> None:
        self.batch_size = batch_size
        self._where = where

    def __call__(self, work: Callable[[int], T]) -> T:
        """`work(batch_size)`. Raises `ModelError` if not even one image fits."""
        while True:
            try:
                return work(self.batch_size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    raise no_memory(self._where, error) from error
            # Outside of `except`: the error would keep the tensors of its frames alive.
            self.batch_size //= 2
            warn_of_halving(self._where, self.batch_size)

    def in_pieces(self, work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """`work` on pieces of the images x (B, ...), its results joined."""
        return self(lambda size: torch.cat([work(part) for part in torch.split(x, size)]))
