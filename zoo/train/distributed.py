"""Processes that train together: who am I, and what do all of us know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from eval.checks import usable_device
from eval.errors import SatZooError

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it gives them up; torch's default is thirty."""


@dataclass(frozen=True)
class Ranks:
    """One process among `size`, numbered from 0; alone, every exchange is free."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, positions: Tensor) -> Tensor:
        """The part of the global batch `positions` (B,) that is for this process."""
        return positions.tensor_split(self.size)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes, on each of them."""
        if self.size > 1:
            values = values.clone().to(self.device)
            dist.all_reduce(values)
        return values

    def any(self, *flags: bool) -> list[bool]:
        """For each flag whether it is set in at least one process."""
        return [bool(n) for n in self.total(torch.tensor(flags, dtype=torch.int32))]

    def from_first(self, values: Tensor) -> Tensor:
        """The first process's `values`, which must have the same shape and dtype in all."""
        if self.size > 1:
            values = values.clone().to(self.device)
            dist.broadcast(values, 0)
        return values

    def gather(self, values: Tensor) -> list[Tensor]:
        """The `values` of every process in order, which must have the same shape and dtype."""
        if self.size == 1:
            return [values]
        values = values.to(self.device)
        found = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(found, values)
        return found


@contextmanager
def processes(device: str | None = None) -> Iterator[Ranks]:
    """Join the processes that torchrun started; alone if it did not start this one.

    device: "cpu" or "cuda"; default cuda where there is one. A process takes the card of its
    local rank.
    Raises UsageError for a device that is not here; SatZooError, in place of a hang, when
    another process does not come or has died.
    """
    place = _device(device)
    if "WORLD_SIZE" not in os.environ:
        yield Ranks(device=place)
        return
    _join("nccl" if place.type == "cuda" else "gloo")
    ranks = Ranks(dist.get_rank(), dist.get_world_size(), place)
    try:
        yield ranks
    except RuntimeError as error:
        if not _is_lost_contact(error):
            raise
        raise SatZooError(
            f"process {ranks.rank} of {ranks.size} stopped because another one died or hung"
            f" ({str(error).splitlines()[0]}); look for its message above, then run the same"
            " command again: it goes on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()


def _join(backend: str) -> None:
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:  # torch's own are RuntimeErrors
        names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        rank, size, address, port = (os.environ.get(name, "?") for name in names)
        raise SatZooError(
            f"process {rank} of {size} did not meet the others at {address}:{port}"
            f" ({str(error).splitlines()[0]}); check that all {size} were started with that"
            " MASTER_ADDR and MASTER_PORT, that nothing else has the port, and that no firewall"
            " is in between"
        ) from error


def _is_lost_contact(error: RuntimeError) -> bool:
    text = str(error).lower()
    signs = ("connection", "peer", "timed out", "timeout", "gloo", "nccl")
    return isinstance(error, dist.DistError) or any(sign in text for sign in signs)


def _device(name: str | None) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    device = usable_device(name)
    # "cuda" alone is the card that torch takes anyway, and cannot be made the current one.
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return device
