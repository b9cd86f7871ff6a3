"""Auto-PGD: projected gradient ascent that chooses its own step size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from eval.attacks import losses, random, starts, targets
from eval.attacks.attack import Attack, Passes, n_targets
from eval.attacks.gradients import gradient
from eval.attacks.pgd import direction
from eval.attacks.rows import may_ask, put_rows, slices, where_rows
from eval.attacks.search import Search, Task
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.engine.net import Net
    from eval.stage import Stage

ALPHA = 0.75
"""Share of the new step against the momentum of the last one (section 3, "momentum")."""


@dataclass
class APGDSearch(Search):
    """Rows of APGD. Losses and step sizes are (B,), images (B, C, H, W).

    x_adv, x_last: current and previous iterate. loss: at x_adv. grad: of the loss at x_adv.
    x_best, grad_best, loss_best: where the loss of this run was largest.
    step_size: in pixel units. n_rises: steps since the last checkpoint that raised the loss.
    loss_at_check: loss_best at the last checkpoint; has_halved: whether it halved the step.
    """

    x_adv: Tensor
    x_last: Tensor
    loss: Tensor
    grad: Tensor
    x_best: Tensor
    grad_best: Tensor
    loss_best: Tensor
    step_size: Tensor
    n_rises: Tensor
    loss_at_check: Tensor
    has_halved: Tensor

    def last_iterate(self) -> Tensor:
        """The current iterate."""
        return self.x_adv


@dataclass(frozen=True)
class APGD(Attack):
    """APGD on the cross-entropy, the DLR, the targeted DLR loss, or the targeted margin z_t - z_y.

    Each step moves by `step_size` along the gradient, blends with the previous move, and projects.
    At checkpoints the step is halved, and the search goes back to its best point, where the loss
    rose in fewer than `rho` of the steps or neither step nor best loss changed since the last one.
    Runs are restarts, or, with the targeted loss, target classes: in the order of the clean logits,
    or, where `n_looked_at` is not 0, that of the nearest boundaries, see `eval.attacks.targets`.
    From a point where the model returns no finite logits a step goes half the way to the image.

    Cost: n_steps + 1 input gradients a run, and n_looked_at an image.
    Source: Croce & Hein 2020, arXiv 2003.01690, Algorithm 1, section 3.
    """

    threat: Threat
    loss: Literal["ce", "dlr", "dlr-targeted", "margin-targeted"]
    n_steps: int = 100
    n_runs: int = 1
    rho: float = 0.75
    eot: int = 1
    n_looked_at: int = 0
    leaves_when_broken: bool = True
    POLISH_STEPS: ClassVar[int] = 10

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> APGD:
        """With the loss of `stage`; with fewer classes than targets, towards all wrong ones."""
        return cls(
            threat=threat,
            loss=stage.loss if stage.loss in {"dlr", "dlr-targeted", "margin-targeted"} else "ce",
            n_steps=stage.steps,
            n_runs=n_targets(stage, n_classes),
            rho=0.75 if stage.rho is None else stage.rho,
            eot=stage.eot,
            n_looked_at=targets.n_looked_at(stage, n_classes),
        )

    def prepared(self, net: Net, task: Task) -> Task:
        """With the nearest of the `n_looked_at` likeliest classes first, see `targets`."""
        if not self.n_looked_at:
            return task
        return targets.nearest_first(net, task, self.n_looked_at, self.threat.norm, eot=self.eot)

    def start(self, net: Net, task: Task, run: Tensor) -> APGDSearch:
        """A random point at distance eps, and the gradient there."""
        keys = random.split(task.key, run)
        start = starts.at_distance(task.x, keys, self.threat.norm, self.threat.eps)
        x_adv = self.threat.project(start, task.x)
        n = torch.zeros(run.shape, device=run.device, dtype=task.x.dtype)
        search = APGDSearch(
            **Search.fresh(task, run),
            x_adv=x_adv,
            x_last=x_adv.clone(),
            loss=n.clone(),
            grad=torch.zeros_like(x_adv),
            x_best=x_adv.clone(),
            grad_best=torch.zeros_like(x_adv),
            loss_best=n - torch.inf,
            step_size=n + 2 * self.threat.eps,
            n_rises=n.clone(),
            loss_at_check=n.clone(),
            has_halved=torch.ones_like(run, dtype=torch.bool),
        )
        self._evaluate(net, search)
        search.loss_at_check = search.loss_best.clone()
        return search

    def advance(self, net: Net, search: APGDSearch) -> None:
        """Move, evaluate, and at a checkpoint adapt the step size."""
        x, is_lost = search.task.x, search.loss.isneginf()
        moved = torch.empty_like(x)
        for at in slices(x):
            moved[at] = self._moved(search, at, is_lost[at])
        search.x_last, search.x_adv = search.x_adv, moved
        loss_before = search.loss
        self._evaluate(net, search)
        search.n_rises = search.n_rises + (search.loss > loss_before)
        search.k = search.k + 1
        gap = _gaps(self.n_steps, x.device)[search.k]
        if not may_ask(x) or bool(gap.any()):
            self._adapt(search, gap)

    def _moved(self, search: APGDSearch, at: slice, is_lost: Tensor) -> Tensor:
        """The next iterates of the rows `at`; half the way back to the image where is_lost."""
        x, x_adv, x_last = search.task.x[at], search.x_adv[at], search.x_last[at]
        project = self.threat.projector(x)
        # The first step has no previous move to blend with.
        alpha = torch.where(search.k[at] == 0, 1.0, ALPHA).to(x.dtype).view(-1, 1, 1, 1)
        z = direction(search.grad[at], self.threat.norm).mul_(search.step_size[at].view_as(alpha))
        z = project(z.add_(x_adv)).sub_(x_adv).mul_(alpha).add_(x_adv)
        z.add_((x_adv - x_last).mul_(1 - alpha))
        if not may_ask(x) or bool(is_lost.any()):
            put_rows(z, is_lost, (x_adv + x).div_(2))
        return project(z)

    def resume(self, net: Net, search: APGDSearch, n_steps: int) -> None:
        """Go on from the best image of all runs; the step is small, the boundary is near."""
        search.run = search.best_run.clone()
        search.x_adv = search.best.clone()
        search.x_last = search.best.clone()
        search.loss_best.fill_(-torch.inf)
        search.best_score.fill_(-torch.inf)
        search.step_size.fill_(self.threat.eps / 8)
        search.k.fill_(self.n_steps - n_steps)
        self._evaluate(net, search)

    def run_passes(self, n_steps: int) -> tuple[int, int]:
        """Exact."""
        return 0, (n_steps + 1) * self.eot

    def most_passes(self, polish_steps: int = 0) -> Passes:
        """Of all runs, and of the choice of targets."""
        return super().most_passes(polish_steps) + self._choice

    def least_passes(self) -> Passes:
        """The gradient at the random start, and the choice of targets."""
        return Passes(gradients=self.eot) + self._choice

    @property
    def _choice(self) -> Passes:
        """What choosing targets takes, of the network that `prepared` is given."""
        return Passes(exact_gradients=self.n_looked_at * self.eot)

    def _evaluate(self, net: Net, search: APGDSearch) -> None:
        logits, search.grad = gradient(
            net, search, search.x_adv, lambda z: self._losses(z, search), eot=self.eot
        )
        loss = self._losses(logits, search)
        # Minus infinity is the loss of no point but these: worse than every other, and comparable.
        is_lost = ~losses.is_finite(logits) | loss.isnan()
        search.loss = loss.masked_fill(is_lost, -torch.inf)
        is_best = search.loss > search.loss_best
        search.loss_best = torch.where(is_best, search.loss, search.loss_best)
        put_rows(search.x_best, is_best, search.x_adv)
        put_rows(search.grad_best, is_best, search.grad)
        search.note(search.x_adv, losses.margin(logits, search.task.y))

    def _losses(self, logits: Tensor, search: APGDSearch) -> Tensor:
        y = search.task.y
        if self.loss == "ce":
            return losses.cross_entropy(logits, y)
        if self.loss == "dlr":
            return losses.dlr(logits, y)
        target = search.task.target(search.run)
        if self.loss == "margin-targeted":
            return losses.difference(logits, y, target)
        return losses.dlr_targeted(logits, y, target)

    def _adapt(self, search: APGDSearch, gap: Tensor) -> None:
        """Conditions 1 and 2 of section 3.1; `gap` (B,) is w_j - w_{j-1}, 0 between checkpoints."""
        at_check = gap > 0
        few_rises = search.n_rises < self.rho * gap
        is_stuck = ~search.has_halved & (search.loss_at_check >= search.loss_best)
        halve = at_check & (few_rises | is_stuck)
        search.has_halved = torch.where(at_check, halve, search.has_halved)
        search.loss_at_check = torch.where(at_check, search.loss_best, search.loss_at_check)
        search.n_rises = torch.where(at_check, 0.0, search.n_rises)
        search.step_size = torch.where(halve, search.step_size / 2, search.step_size)
        search.x_adv = where_rows(halve, search.x_best, search.x_adv)
        put_rows(search.grad, halve, search.grad_best)
        search.loss = torch.where(halve, search.loss_best, search.loss)


@cache
def _gaps(n_steps: int, device: torch.device) -> Tensor:
    return torch.tensor(checkpoint_gaps(n_steps), device=device)


@cache
def checkpoint_gaps(n_steps: int) -> tuple[int, ...]:
    """For each step k = 0..n_steps: the distance to the previous checkpoint if k is one, else 0.

    The gaps between checkpoints begin at 22 % of the steps and shrink by 3 % each, down to 6 %.
    Differs from section 3.1 in rounding each gap down, as the authors' package does, so that both
    have their checkpoints at the same steps.
    """
    gap, least = max(int(0.22 * n_steps), 1), max(int(0.06 * n_steps), 1)
    shrink = max(int(0.03 * n_steps), 1)
    gaps, next_check = [0] * (n_steps + 1), gap
    while next_check <= n_steps:
        gaps[next_check] = gap
        gap = max(gap - shrink, least)
        next_check += gap
    return tuple(gaps)
