"""Searches as rows: one row an image, each at its own step, so that images can leave and join.

An attack here is not a loop over a fixed batch but a step on a changing one. When an image is
verified broken its row leaves, the next image takes the place, and the device stays full.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from eval.attacks.rows import may_ask, put_rows


@dataclass
class Rows:
    """Tensors (or further Rows) whose first dimension is the row."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def select(self, index: Tensor) -> Self:
        """The rows at `index`, an int64 or bool tensor (R,), as a copy."""
        if index.dtype == torch.bool:
            index = index.nonzero().squeeze(1)
        return self._map(lambda value: value.index_select(0, index.to(value.device)))

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
                mine.index_copy_(0, index.to(mine.device), new)

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
    ranking: (B, R) int64, the classes other than y by falling logit of the clean image, or in
        another order that the attack wants its targets in.
    """

    position: Tensor
    x: Tensor
    y: Tensor
    key: Tensor
    ranking: Tensor

    def target(self, run: Tensor) -> Tensor:
        """The target class of run 0, 1, ...: the first of the ranking first; (B,) -> (B,)."""
        return self.ranking.gather(1, run[:, None]).squeeze(1)


@dataclass
class Search(Rows):
    """What every search carries.

    task: the images. run: (B,) int64, which restart or target. k: (B,) int64, steps done of it.
    candidate: (B, C, H, W) images claimed adversarial where is_hit (B,) bool.
    best, best_score, best_run: over all runs, the image (B, C, H, W) that came nearest to success,
        how near (B,) (the margin; for FAB, minus the distance), and in which run (B,).
    had_gradient: (B,) bool, whether any gradient so far, of any run, was not zero everywhere; True
        from the start in a search that asks for none. had_nan: (B,) bool, whether any had an entry
        that was NaN or infinite.
    """

    task: Task
    run: Tensor
    k: Tensor
    candidate: Tensor
    is_hit: Tensor
    best: Tensor
    best_score: Tensor
    best_run: Tensor
    had_gradient: Tensor
    had_nan: Tensor

    @staticmethod
    def fresh(task: Task, run: Tensor) -> dict[str, Any]:
        """The fields of this class for searches that have not begun."""
        return {
            "task": task,
            "run": run,
            "k": torch.zeros_like(run),
            "candidate": torch.zeros_like(task.x),
            "is_hit": torch.zeros_like(run, dtype=torch.bool),
            "best": task.x.clone(),
            "best_score": torch.full(run.shape, -torch.inf, device=run.device, dtype=task.x.dtype),
            "best_run": run.clone(),
            "had_gradient": torch.zeros_like(run, dtype=torch.bool),
            "had_nan": torch.zeros_like(run, dtype=torch.bool),
        }

    def last_iterate(self) -> Tensor:
        """Where each row stands now, (B, C, H, W); PGD's published numbers look at this alone."""
        raise NotImplementedError(f"{type(self).__name__} keeps no last iterate")

    def note(self, x: Tensor, margin: Tensor) -> None:
        """Record evaluated images `x` (B, C, H, W) inside the ball: hits where `margin` > 0."""
        self.note_best(x, margin, self.run)
        self.claim(x, margin > 0)

    def note_best(self, x: Tensor, score: Tensor, run: Tensor) -> None:
        """Keep the images `x` (B, C, H, W) whose `score` (B,) beats the best so far."""
        is_better = score > self.best_score
        if may_ask(x) and not bool(is_better.any()):
            return
        self.best_score = torch.where(is_better, score, self.best_score)
        self.best_run = torch.where(is_better, run, self.best_run)
        put_rows(self.best, is_better, x)

    def remember(self, earlier: Search) -> None:
        """Take over what earlier runs of the same images found out."""
        self.note_best(earlier.best, earlier.best_score, earlier.best_run)
        self.had_gradient = self.had_gradient | earlier.had_gradient
        self.had_nan = self.had_nan | earlier.had_nan

    def claim(self, x: Tensor, is_adversarial: Tensor) -> None:
        """Claim the rows of `x` (B, C, H, W) where `is_adversarial` (B,), unless one waits."""
        if may_ask(x) and not bool(is_adversarial.any()):
            return
        is_new = is_adversarial & ~self.is_hit
        self.is_hit = self.is_hit | is_new
        put_rows(self.candidate, is_new, x)
