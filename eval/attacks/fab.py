"""FAB: the nearest adversarial image by repeated projection onto the linearised boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eval.attacks import losses, random
from eval.attacks.pgd import direction
from eval.attacks.projections import project_plane_l2, project_plane_linf
from eval.attacks.rows import Search, Task, where_rows
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.engine import Net

ALPHA_MAX = 0.1  # largest pull towards the original image
OVERSHOOT = 1.05  # eta: steps go a little past the plane
BACKWARD = 0.9  # beta: from an adversarial point back towards the original image


@dataclass
class FABSearch(Search):
    """Rows of FAB.

    x1: (B, C, H, W) the current point. is_proposal: (B,) whether x1 was reached by a projection,
    so that it must be classified before it is used; a point stepped back to is not classified.
    """

    x1: Tensor
    is_proposal: Tensor


@dataclass(frozen=True)
class FAB:
    """FAB with eps known: an image is broken when an adversarial point within eps is found.

    Each step linearises the boundary at x1, projects x1 and the original image onto it inside
    [0, 1], and moves to a blend of both, a little past the plane. From an adversarial point it
    steps back towards the original image. Targeted runs use the boundary to one target class, in
    the order of the clean logits; untargeted runs the nearest of all boundaries, one input gradient
    a class, and start at a random point of the half-size ball after the first run.

    One pass gives both the class of a new point and the gradient of the next step, where the
    published loop makes two. Only a point that turns out adversarial needs a second pass, after
    the step back.

    Cost: n_steps input gradients a run, and one more for each adversarial point met.
    Source: Croce & Hein 2020, arXiv 1907.02044, Algorithm 1; the targeted version in
    arXiv 2003.01690, section 4.
    """

    threat: Threat
    is_targeted: bool
    n_steps: int = 100
    n_runs: int = 1
    leaves_when_broken: bool = True

    def start(self, net: Net, task: Task, run: Tensor) -> FABSearch:
        """At the image itself, or, in later untargeted runs, at a random point near it."""
        x1 = task.x.clone()
        if not self.is_targeted:
            noise = self._random_delta(random.split(task.key, run), task.x)
            x1 = where_rows(run > 0, (task.x + noise).clamp(0, 1), x1)
        return FABSearch(
            **Search.fresh(task, run), x1=x1, is_proposal=torch.zeros_like(run, dtype=torch.bool)
        )

    def step(self, net: Net, search: FABSearch) -> None:
        """Evaluate x1; step back where a proposal is adversarial, else propose the next point."""
        x, y = search.task.x, search.task.y
        is_active = search.k < self.n_steps
        logits, gap, grad = self._boundary(net, search)
        is_adversarial = (losses.margin(logits, y) > 0) & search.is_proposal & is_active
        self._record(search, is_adversarial)
        back = x + BACKWARD * (search.x1 - x)
        onward = self._propose(x, search.x1, gap, grad)
        x1 = where_rows(is_adversarial, back, onward)
        search.x1 = where_rows(is_active, x1, search.x1)
        # A step counts when it has been decided what follows from its proposal.
        proposes = is_active & ~is_adversarial
        search.k = search.k + (is_adversarial | (proposes & search.is_proposal)).long()
        search.is_proposal = torch.where(is_active, proposes, search.is_proposal)

    def resume(self, net: Net, search: FABSearch, n_steps: int) -> None:
        """Go on from the nearest adversarial image found in any run, stepped back."""
        x = search.task.x
        search.run = search.best_run.clone()
        search.x1 = x + BACKWARD * (search.best - x)
        search.is_proposal.fill_(False)
        search.best_score.fill_(-torch.inf)
        search.k.fill_(self.n_steps - n_steps)

    def _record(self, search: FABSearch, is_adversarial: Tensor) -> None:
        distance = self.threat.distance(search.x1, search.task.x)
        score = torch.where(is_adversarial, -distance.float(), -torch.inf)
        search.note_best(search.x1, score, search.run)
        search.claim(search.x1, is_adversarial & (distance <= self.threat.eps))

    def _boundary(self, net: Net, search: FABSearch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, z_t - z_y (B,) and its gradient (B, C, H, W) for the boundary to use."""
        y = search.task.y
        if self.is_targeted:
            target = search.task.target(search.run)
            logits, grad = net.gradient(search.x1, lambda z: losses.difference(z, y, target))
            return logits, losses.difference(logits, y, target), grad
        nearest: tuple[Tensor, Tensor, Tensor] | None = None
        for c in range(net.logits(search.x1[:1]).shape[1]):
            target = torch.full_like(y, c)
            logits, grad = net.gradient(search.x1, lambda z, t=target: losses.difference(z, y, t))
            gap = losses.difference(logits, y, target)
            dual = "L2" if self.threat.norm == "L2" else "L1"
            size = grad.flatten(1).norm(dim=1) if dual == "L2" else grad.flatten(1).abs().sum(1)
            distance = torch.where(y == c, torch.inf, gap.abs() / (size + 1e-12))
            if nearest is None:
                nearest = (distance, gap, grad)
            else:
                is_nearer = distance < nearest[0]
                nearest = (
                    torch.where(is_nearer, distance, nearest[0]),
                    torch.where(is_nearer, gap, nearest[1]),
                    where_rows(is_nearer, grad, nearest[2]),
                )
        assert nearest is not None
        return logits, nearest[1], nearest[2]

    def _propose(self, x: Tensor, x1: Tensor, gap: Tensor, grad: Tensor) -> Tensor:
        """The biased step: a blend of the projections of x1 and of the original image."""
        project = project_plane_linf if self.threat.norm == "Linf" else project_plane_l2
        w, at = grad.flatten(1), x1.flatten(1)
        b = (w * at).sum(1) - gap
        d1, d0 = project(at, w, b), project(x.flatten(1), w, b)
        size1, size0 = self._size(d1), self._size(d0)
        alpha = (size1 / (size1 + size0)).clamp_max(ALPHA_MAX)[:, None]
        moved = (1 - alpha) * (at + OVERSHOOT * d1) + alpha * (x.flatten(1) + OVERSHOOT * d0)
        return moved.clamp(0, 1).view_as(x)

    def _size(self, d: Tensor) -> Tensor:
        size = d.abs().amax(1) if self.threat.norm == "Linf" else d.square().sum(1).sqrt()
        return size.clamp_min(1e-8)

    def _random_delta(self, keys: Tensor, x: Tensor) -> Tensor:
        shape = tuple(x.shape[1:])
        if self.threat.norm == "L2":
            return self.threat.eps / 2 * direction(random.normal(keys, 0, shape), "L2")
        noise = 2 * random.uniform(keys, 0, shape) - 1
        return self.threat.eps / 2 * noise / noise.abs().amax((1, 2, 3), keepdim=True)
