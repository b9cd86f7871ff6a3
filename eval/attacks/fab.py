"""FAB: the nearest adversarial image by repeated projection onto the linearised boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from eval.attacks import losses, random, starts
from eval.attacks.attack import Attack, Passes, n_targets
from eval.attacks.gradients import gradient
from eval.attacks.projections import distance_to_plane, levelled, move_onto
from eval.attacks.rows import may_ask, put_rows, rows_where, slices, where_rows
from eval.attacks.search import Search, Task
from eval.lengths import length
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.engine.net import Net
    from eval.stage import Stage

ALPHA_MAX = 0.1  # largest pull towards the original image
OVERSHOOT = 1.05  # eta: steps go a little past the plane
BACKWARD = 0.9  # beta: from an adversarial point back towards the original image


@dataclass
class FABSearch(Search):
    """Rows of FAB.

    x1: (B, C, H, W) the current point. is_proposal: (B,) whether x1 was reached by a projection and
    is not classified yet. was_adversarial: (B,) whether the last proposal was; the next one
    probably is what the last one was.
    """

    x1: Tensor
    is_proposal: Tensor
    was_adversarial: Tensor


@dataclass(frozen=True)
class FAB(Attack):
    """FAB with eps known: an image is broken when an adversarial point within eps is found.

    Each step linearises the boundary at x1, projects x1 and the original image onto it inside
    [0, 1], and moves to a blend of both, a little past the plane. From an adversarial point it
    steps back towards the original image. Targeted runs use the boundary to one target class, in
    the order of the clean logits; untargeted runs the nearest of all boundaries, one input gradient
    a class, and start at a random point half eps away after the first run.

    One pass gives the class of a new point and, if it is kept, the gradient of the next step, where
    the published loop makes two. A point that is adversarial is stepped back from, and its gradient
    would be wasted: where that is to be expected a forward pass alone classifies it.

    Cost: n_steps input gradients a run, and at most as many forwards.
    Source: Croce & Hein 2020, arXiv 1907.02044, Algorithm 1; the targeted version in
    arXiv 2003.01690, section 4.
    """

    threat: Threat
    is_targeted: bool
    n_classes: int
    n_steps: int = 100
    n_runs: int = 1
    leaves_when_broken: bool = True
    POLISH_STEPS: ClassVar[int] = 5

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> FAB:
        """With fewer classes than targets, towards all wrong ones."""
        return cls(
            threat=threat,
            is_targeted=stage.targets is not None,
            n_classes=n_classes,
            n_steps=stage.steps,
            n_runs=n_targets(stage, n_classes),
        )

    def start(self, net: Net, task: Task, run: Tensor) -> FABSearch:
        """At the image itself, or, in later untargeted runs, at a random point near it."""
        x1 = task.x.clone()
        if not self.is_targeted:
            keys, half = random.split(task.key, run), self.threat.eps / 2
            start = starts.at_distance(task.x, keys, self.threat.norm, half)
            x1 = where_rows(run > 0, start.clamp(0, 1), x1)
        return FABSearch(
            **Search.fresh(task, run),
            x1=x1,
            is_proposal=torch.zeros_like(run, dtype=torch.bool),
            was_adversarial=torch.ones_like(run, dtype=torch.bool),
        )

    def advance(self, net: Net, search: FABSearch) -> None:
        """Classify the proposals that will probably be stepped back from; then one gradient pass.

        The gradient pass classifies the other proposals, and proposes for every row that it does
        not find adversarial.
        """
        is_active = search.k < self.n_steps
        self._classify(net, search, search.is_proposal & search.was_adversarial & is_active)
        is_active = search.k < self.n_steps
        logits, gap, grad = self._boundary(net, search)
        is_open = search.is_proposal & is_active
        is_adversarial = is_open & (losses.margin(logits, search.task.y) > 0)
        self._settle(search, is_open, is_adversarial)
        # A row that was stepped back from needs the gradient at its new point first.
        proposes = is_active & ~is_adversarial & (search.k < self.n_steps)
        for at in slices(search.x1):
            x, x1 = search.task.x[at], search.x1[at]
            onward = self._onward(x, x1, gap[at], grad[at])
            put_rows(x1, proposes[at], onward)
        search.is_proposal = search.is_proposal | proposes

    def _classify(self, net: Net, search: FABSearch, mask: Tensor) -> None:
        """Settle the proposals in `mask` (B,) by a forward pass."""
        rows = rows_where(mask)
        x1, y = search.x1[rows], search.task.y[rows]
        if len(x1) == 0:
            return
        is_adversarial = torch.zeros_like(mask)
        is_adversarial[rows] = losses.margin(net.logits(x1), y) > 0
        self._settle(search, mask, is_adversarial & mask)

    def _settle(self, search: FABSearch, mask: Tensor, is_adversarial: Tensor) -> None:
        """End the step of the rows in `mask`: record and step back where adversarial."""
        if not may_ask(mask) or bool(is_adversarial.any()):
            self._record(search, is_adversarial)
            for at in slices(search.x1):
                x, x1 = search.task.x[at], search.x1[at]
                put_rows(x1, is_adversarial[at], (x1 - x).mul_(BACKWARD).add_(x))
        search.was_adversarial = torch.where(mask, is_adversarial, search.was_adversarial)
        search.is_proposal = search.is_proposal & ~mask
        search.k = search.k + mask.long()

    def resume(self, net: Net, search: FABSearch, n_steps: int) -> None:
        """Go on from the nearest adversarial image found in any run, stepped back."""
        x = search.task.x
        search.run = search.best_run.clone()
        search.x1 = x + BACKWARD * (search.best - x)
        search.is_proposal.fill_(False)
        search.best_score.fill_(-torch.inf)
        search.k.fill_(self.n_steps - n_steps)

    def run_passes(self, n_steps: int) -> tuple[int, int]:
        """At most: how many depends on how often a run crosses the boundary.

        A step is one forward and one gradient where it finds what it expects; where it finds an
        adversarial point that it did not expect, which can be at every second step, it is two
        gradients. Untargeted, every boundary has its gradient.
        """
        n_surprises = n_steps // 2
        n_rounds = n_steps + 1 + n_surprises
        return n_steps - n_surprises, n_rounds * (1 if self.is_targeted else self.n_classes)

    def least_passes(self) -> Passes:
        """It begins at the image itself, which is right; its first proposal is the first look."""
        return Passes(forwards=1, gradients=1 if self.is_targeted else self.n_classes)

    def _record(self, search: FABSearch, is_adversarial: Tensor) -> None:
        x, x1 = search.task.x, search.x1
        distance = torch.cat([self._size((x1[at] - x[at]).flatten(1)) for at in slices(x)])
        search.note_best(x1, torch.where(is_adversarial, -distance, -torch.inf), search.run)
        search.claim(x1, is_adversarial & (distance <= self.threat.eps))

    def _boundary(self, net: Net, search: FABSearch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, z_t - z_y (B,) and its gradient (B, C, H, W) for the boundary to use."""
        y = search.task.y
        if self.is_targeted:
            target = search.task.target(search.run)
            logits, grad = gradient(
                net, search, search.x1, lambda z: losses.difference(z, y, target)
            )
            return logits, losses.difference(logits, y, target), grad
        nearest: tuple[Tensor, Tensor, Tensor] | None = None
        for c in range(self.n_classes):
            distance, gap, grad, logits = self._distance_to(net, search, torch.full_like(y, c))
            if nearest is None:
                nearest = (distance, gap, grad)
                continue
            is_nearer = distance < nearest[0]
            nearest = (
                torch.where(is_nearer, distance, nearest[0]),
                torch.where(is_nearer, gap, nearest[1]),
                where_rows(is_nearer, grad, nearest[2]),
            )
        assert nearest is not None
        return logits, nearest[1], nearest[2]

    def _distance_to(
        self, net: Net, search: FABSearch, target: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Distance (B,) to the linearised boundary with `target`, its gap, gradient, and logits."""
        y = search.task.y
        logits, grad = gradient(net, search, search.x1, lambda z: losses.difference(z, y, target))
        gap = losses.difference(logits, y, target)
        distance = distance_to_plane(grad.flatten(1), gap, self.threat.norm)
        return torch.where(y != target, distance, torch.inf), gap, grad, logits

    def _onward(self, x: Tensor, x1: Tensor, gap: Tensor, grad: Tensor) -> Tensor:
        """The biased step: a blend of the projections of x1 and of the original image x.

        gap: (B,) z_t - z_y at x1; where it is NaN the way on is half the way back. grad: of gap.
        """
        points = torch.stack([x1.flatten(1), x.flatten(1)])
        w, level_gap = levelled(grad.flatten(1), gap)
        d = move_onto(points, w, (w * points[0]).sum(1) - level_gap, self.threat.norm)
        size1, size0 = self._size(d).clamp_min(1e-8)
        alpha = (size1 / (size1 + size0)).clamp_max(ALPHA_MAX)[:, None]
        at1, at0 = points.add_(d, alpha=OVERSHOOT)
        onward: Tensor = at1.mul_(1 - alpha).add_(at0.mul_(alpha)).clamp_(0, 1).view_as(x)
        is_nan = gap.isnan()
        if not may_ask(x) or bool(is_nan.any()):
            put_rows(onward, is_nan, (x1 + x).div_(2))
        return onward

    def _size(self, d: Tensor) -> Tensor:
        size: Tensor = d.abs().amax(-1) if self.threat.norm == "Linf" else length(d)
        return size
