"""Square: random search by squares of changed pixels; forward passes only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from eval.attacks import losses, random, starts
from eval.attacks.attack import Attack, Passes, n_targets
from eval.attacks.rows import may_ask, put_rows, rows_where, slices, where_rows
from eval.attacks.search import Search, Task
from eval.attacks.square_l2 import FIRST_SIGN as FIRST_SIGN_L2
from eval.attacks.square_l2 import propose_l2
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.engine.net import Net
    from eval.stage import Stage

DRAWS = 16
"""Random numbers of one query: corners, in L2 a turn and a second window's corners, and a sign for
each channel. Images of more than 13 channels, in L2 of more than 11, need more and draw more."""

FIRST_SIGN = 3
"""Of the random numbers of a query in Linf, the first that is a sign."""

AHEAD = 32
"""Queries whose windows are drawn at once; they are those that would be drawn one by one."""


@dataclass
class SquareSearch(Search):
    """Rows of Square.

    x_best: (B, C, H, W) the best image of this run; margin: (B,) there; query_key: (B,) int64.
    ahead: (B, AHEAD, M) what the queries of this block need, see `Square._ahead`.
    """

    x_best: Tensor
    margin: Tensor
    query_key: Tensor
    ahead: Tensor


@dataclass(frozen=True)
class Square(Attack):
    """Square in Linf or L2 on the margin loss.

    Linf: start with vertical stripes of +-eps; each query sets one square window to +-eps per
    channel. L2: see `eval.attacks.square_l2`. A query is kept where the margin grows. The window's
    share of the image falls with the number of queries.

    Cost: n_steps + 1 forwards a run.
    Source: Andriushchenko et al. 2020, arXiv 1912.00049, Algorithms 1 to 3. Differs from the
    authors' package in drawing each image's window for itself, not one for the whole batch, and in
    windows that may touch the last row and column.
    """

    threat: Threat
    n_steps: int = 5000
    n_runs: int = 1
    p_init: float = 0.8
    leaves_when_broken: bool = True
    POLISH_STEPS: ClassVar[int] = 50

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> Square:
        """With the queries and the first window of `stage`."""
        return cls(
            threat=threat,
            n_steps=stage.steps,
            n_runs=n_targets(stage, n_classes),
            p_init=0.8 if stage.p_init is None else stage.p_init,
        )

    def start(self, net: Net, task: Task, run: Tensor) -> SquareSearch:
        """The initial pattern, classified."""
        x = task.x
        keys = random.split(task.key, run)
        if self.threat.norm == "Linf":
            x_best = self.threat.project(starts.stripes(x, keys, self.threat.eps), x)
        else:
            x_best = self.threat.project(starts.tiles(x, keys, self.threat.eps), x)
        margin = losses.margin(net.logits(x_best), task.y)
        query_key = random.split(keys, 1)
        search = SquareSearch(
            **Search.fresh(task, run),
            x_best=x_best,
            margin=margin,
            query_key=query_key,
            ahead=self._ahead(query_key, torch.zeros_like(run), x),
        )
        search.had_gradient.fill_(True)  # it asks for none, so it misses none
        search.note(x_best, margin)
        return search

    def advance(self, net: Net, search: SquareSearch) -> None:
        """One query of every row."""
        x = search.task.x
        needed = self._next(search)
        if self.threat.norm == "Linf":
            x_new = self._propose_linf(x, search.x_best, needed)
        else:
            side = self._sides(search.k, x)
            delta = propose_l2(search.x_best - x, side, needed, self.threat.eps)
            x_new = self.threat.project(x + delta, x)
        margin = losses.margin(net.logits(x_new), search.task.y)
        is_better = margin > search.margin
        put_rows(search.x_best, is_better, x_new)
        search.margin = torch.where(is_better, margin, search.margin)
        search.note(search.x_best, search.margin)
        search.k = search.k + 1

    def resume(self, net: Net, search: SquareSearch, n_steps: int) -> None:
        """Go on from the best image with the last, smallest windows."""
        search.x_best = search.best.clone()
        search.run = search.best_run.clone()
        search.k.fill_(self.n_steps - n_steps)
        search.ahead = self._ahead(search.query_key, search.k, search.task.x)
        search.margin = losses.margin(net.logits(search.x_best), search.task.y)
        search.best_score.fill_(-torch.inf)
        search.note(search.x_best, search.margin)

    def run_passes(self, n_steps: int) -> tuple[int, int]:
        """Exact."""
        return n_steps + 1, 0

    def least_passes(self) -> Passes:
        """The initial pattern."""
        return Passes(forwards=1)

    def _next(self, search: SquareSearch) -> Tensor:
        """What this query of each row needs, (B, M); where a block begins, all of it is made."""
        place = search.k % AHEAD
        begins = place == 0
        rows = rows_where(begins)
        if not may_ask(begins) or len(search.k[rows]):
            task = search.task
            made = self._ahead(search.query_key[rows], search.k[rows], task.x[rows])
            search.ahead[rows] = where_rows(begins[rows], made, search.ahead[rows])
        index = place[:, None, None].expand(-1, 1, search.ahead.shape[2])
        return search.ahead.gather(1, index).squeeze(1)

    def _ahead(self, key: Tensor, k: Tensor, x: Tensor) -> Tensor:
        """What the queries of the block that holds k (B,) need: (B, AHEAD, M).

        In Linf the moves +-eps of the channels, then the rows and the columns of the window, 1
        inside and 0 outside; in L2 the random numbers. At once, since for small images the number
        of operations is what a query costs.
        """
        is_linf = self.threat.norm == "Linf"
        n_drawn = max(DRAWS, (FIRST_SIGN if is_linf else FIRST_SIGN_L2) + x.shape[1])
        first = k - k % AHEAD
        drawn = random.uniform(key, first * n_drawn, (AHEAD, n_drawn))
        if not is_linf:
            return drawn
        queries = first[:, None] + torch.arange(AHEAD, device=k.device)
        side = self._sides(queries.flatten(), x).view_as(queries)
        rows, columns = edges(x, side, drawn[..., :2])
        moves = self.threat.eps * random.signs(drawn[..., FIRST_SIGN : FIRST_SIGN + x.shape[1]])
        return torch.cat([moves, rows, columns], -1)

    def _propose_linf(self, x: Tensor, x_best: Tensor, needed: Tensor) -> Tensor:
        n, *sizes = x.shape
        moves, rows, columns = torch.split(needed, sizes, 1)
        window = (rows[:, :, None] * columns[:, None, :])[:, None]
        # A kept image lies at x +- eps or at a pixel bound everywhere, so adding 2 eps in a
        # direction and projecting is the same as setting the window to x +- eps, in [0, 1].
        move, proposed = moves.view(n, -1, 1, 1), torch.empty_like(x)
        for at in slices(x):
            painted = (x[at] + move[at]).clamp_(0, 1)
            torch.lerp(x_best[at], painted, window[at], out=proposed[at])  # exact at 0 and at 1
        return proposed

    def _sides(self, k: Tensor, x: Tensor) -> Tensor:
        """Side of the square at query k, in pixels: (B,) -> (B,) int64."""
        halvings, sides = _schedule(self.p_init, self.threat.norm, *x.shape[2:], k.device)
        return sides.index_select(0, torch.bucketize(k, halvings))


HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After these queries the share of changed pixels halves (supplement A of the paper)."""


@cache
def _schedule(
    p_init: float, norm: str, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """`HALVINGS`, and the side of the square after each number of them, int64."""
    p = p_init * 0.5 ** torch.arange(len(HALVINGS) + 1).float()
    side = (p * height * width).sqrt().round().long()
    if norm == "L2":
        # The L2 pattern needs at least 3 pixels and an odd side.
        side = side.clamp_min(3)
        side = side + (side % 2 == 0)
    side = side.clamp(1, min(height, width))
    return torch.tensor(HALVINGS, device=device), side.to(device)


def edges(x: Tensor, side: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Square windows of `side` (...) pixels: their rows (..., H) and columns (..., W), 0 or 1.

    u: (..., 2) in [0, 1) choose row and column of the upper left corner among all that fit.
    """
    height, width = x.shape[2:]
    sizes, at = _lengths(height, width, x.device)
    first = (u * (sizes - side[..., None] + 1)).floor_()[..., None]
    inside = torch.ge(at, first) & torch.lt(at, first + side[..., None, None])
    rows, columns = inside.to(x.dtype).unbind(-2)
    return rows[..., :height], columns[..., :width]


@cache
def _lengths(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Height and width, (2,), and the pixels along the longer of the two, as floats."""
    sizes = torch.tensor([height, width], device=device, dtype=torch.float32)
    return sizes, torch.arange(max(height, width), device=device, dtype=torch.float32)
