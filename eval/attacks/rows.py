"""Searches as rows: one row an image, each at its own step, so that images can leave and join.

An attack here is not a loop over a fixed batch but a step on a changing one. When an image is
verified broken its row leaves, the next image takes the place, and the device stays full.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from eval.engine import Net


@dataclass
class Rows:
    """Tensors (or further Rows) whose first dimension is the row."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def select(self, index: Tensor) -> Self:
        """The rows at `index`, an int64 or bool tensor (R,), as a copy."""
        return self._map(lambda value: value[index.to(value.device)])

    def cat(self, other: Self) -> Self:
        """These rows, then those of `other`."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return type(self)(
            **{
                name: a.cat(b) if isinstance(a, Rows) else torch.cat([a, b])
                for name, (a, b) in pairs.items()
            }
        )

    def put(self, index: Tensor, other: Self) -> None:
        """Overwrite the rows at `index` (int64) with all rows of `other`."""
        for f in fields(self):
            mine, new = getattr(self, f.name), getattr(other, f.name)
            if isinstance(mine, Rows):
                mine.put(index, new)
            else:
                mine[index.to(mine.device)] = new

    def _map(self, change: Any) -> Self:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(
            **{
                name: value._map(change) if isinstance(value, Rows) else change(value)
                for name, value in values.items()
            }
        )


@dataclass
class Task(Rows):
    """Images to attack.

    position: (B,) int64 on the CPU, place in the data set.
    x: (B, C, H, W) clean images in [0, 1]. y: (B,) labels.
    key: (B,) int64, see `eval.attacks.random`.
    ranking: (B, R) int64, the classes other than y by falling logit of the clean image.
    """

    position: Tensor
    x: Tensor
    y: Tensor
    key: Tensor
    ranking: Tensor


@dataclass
class Search(Rows):
    """What every search carries.

    task: the images. run: (B,) int64 on the CPU, which restart or target.
    k: (B,) int64 on the CPU, steps done; on the host because it steers, and asking a GPU stalls it.
    candidate: (B, C, H, W) images claimed adversarial where is_hit (B,) bool.
    best, best_margin: the image inside the ball that came nearest to fooling the searching network,
        over all runs, and its margin (B,).
    """

    task: Task
    run: Tensor
    k: Tensor
    candidate: Tensor
    is_hit: Tensor
    best: Tensor
    best_margin: Tensor

    def last_iterate(self) -> Tensor:
        """Where each row stands now, (B, C, H, W); PGD's published numbers look at this alone."""
        raise NotImplementedError(f"{type(self).__name__} keeps no last iterate")

    def note(self, x: Tensor, margin: Tensor) -> None:
        """Record the evaluated images `x` (B, C, H, W), inside the ball, with `margin` (B,)."""
        is_better = margin > self.best_margin
        self.best_margin = torch.where(is_better, margin, self.best_margin)
        self.best = where_rows(is_better, x, self.best)
        is_new = (margin > 0) & ~self.is_hit
        self.is_hit = self.is_hit | is_new
        self.candidate = where_rows(is_new, x, self.candidate)


class Attack(Protocol):
    """A search that can be stepped.

    n_runs: restarts or targets of each image. n_steps: steps of one run.
    leaves_when_broken: False where the end of a broken image's run is wanted too (PGD).
    """

    @property
    def n_runs(self) -> int: ...  # noqa: D102

    @property
    def n_steps(self) -> int: ...  # noqa: D102

    @property
    def leaves_when_broken(self) -> bool: ...  # noqa: D102

    def start(self, net: Net, task: Task, run: Tensor) -> Search:
        """Begin run `run` (B,) of each image."""
        ...

    def step(self, net: Net, search: Any) -> None:
        """One step of every row, in place."""
        ...


def where_rows(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Rows of `a` where `mask` (B,), else of `b`; both (B, ...)."""
    return torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b)
