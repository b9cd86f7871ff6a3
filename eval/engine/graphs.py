"""A network at fixed numbers of rows, where a GPU can replay what it recorded once: CUDA graphs.

A small network's kernels are over before the host has started the next ones. A graph starts all of
a forward, and all of a backward, at once; but it is of one shape, so that passes are padded to the
sizes of a ladder (`eval.engine.padding`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from eval.engine.padding import rung
from eval.errors import first_line

Road = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) -> logits (B, K), differentiable in the images."""

Maker = Callable[[Road, Tensor], Road]
"""A road and images (B, C, H, W) -> a road that computes the same for images of that shape, memory
format and device. What it returns, and the gradients that it gives, it may overwrite next time."""


def cuda_graphs() -> Maker:
    """Replaying forward and backward as torch records them; all graphs share their memory.

    No two replays are under way at one time and nothing of one is read after the next has begun, so
    that the memory of the largest is enough for all.
    """
    pool = torch.cuda.graph_pool_handle()

    def recorded(road: Road, x: Tensor) -> Road:
        sample = x.detach().clone().requires_grad_()
        with torch.cuda.device(x.device), torch.enable_grad():
            graphed = torch.cuda.make_graphed_callables(road, (sample,), pool=pool)
        return cast(Road, graphed)

    return recorded


class Rungs:
    """The roads through one network at the sizes of a ladder, each made at first use.

    make: makes a road for one size. prove: what is wrong with a road, in words, "" if nothing is;
    it is shown images (size, C, H, W).

    A road that cannot be made or that is at fault is never used, and none is made any more: then,
    and for sizes off the ladder, passes take the road that there was, as they are.
    fault: why, or "".
    """

    def __init__(self, make: Maker, prove: Callable[[Road, Tensor], str]) -> None:
        self.fault = ""
        self._make, self._prove = make, prove
        self._sizes: tuple[int, ...] = ()
        self._made: dict[int, Road] = {}

    def fit(self, sizes: tuple[int, ...]) -> None:
        """From now on passes are of these sizes; roads of others are given up."""
        self._sizes = () if self.fault else sizes
        self._made = {n: road for n, road in self._made.items() if n in self._sizes}

    def size(self, n: int) -> int:
        """How many rows a pass of `n` rows is given."""
        return rung(n, self._sizes)

    def road(self, there: Road, x: Tensor) -> Road:
        """What to send x (B, C, H, W) through, where `there` is the network itself."""
        n = len(x)
        if n in self._sizes and n not in self._made:
            self._add(there, x.detach())
        return self._made.get(n, there)

    def _add(self, there: Road, x: Tensor) -> None:
        try:
            road = self._make(there, x)
            found = self._prove(road, x)
        except Exception as error:  # a stranger's forward may do what cannot be recorded
            found = f"fails ({first_line(error)})"
        if found:
            self.fault, self._sizes = found, ()
            self._made.clear()
        else:
            self._made[len(x)] = road
