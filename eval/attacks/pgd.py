"""Projected gradient descent, and its single step without a random start, FGSM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from eval.attacks import losses, random, starts
from eval.attacks.attack import Attack, Passes, n_targets
from eval.attacks.gradients import cross_entropy_or_margin, gradient
from eval.attacks.rows import may_ask, put_rows, slices
from eval.attacks.search import Search, Task
from eval.lengths import unit
from eval.stage import Stage, step_in_pixels
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.engine.net import Net


@dataclass
class PGDSearch(Search):
    """Rows of PGD; `x_adv` (B, C, H, W) is the current iterate."""

    x_adv: Tensor

    def last_iterate(self) -> Tensor:
        """The current iterate, (B, C, H, W)."""
        return self.x_adv


@dataclass(frozen=True)
class PGD(Attack):
    """`x <- project(x + step * direction(grad))`, from a random point of the ball.

    Linf: the direction is sign(grad), the start uniform in the box. L2: the direction is
    grad / |grad|_2, the start uniform in the ball. Every iterate is looked at: an image is broken
    as soon as one of them is misclassified (the worst iterate).

    leaves_when_broken: False lets it go on to its last iterate, which is what many published
    numbers look at alone; of a robust network that is nearly twice the passes.

    clips_start: False leaves the random start outside the pixel range where it falls there, as some
    released code does; it is then no candidate, and the first step brings it inside.

    fallback_loss: "margin" follows the gradient of the margin in a step in which that of the
    cross-entropy is zero everywhere, or NaN or infinite in places; None does not. From a point
    where the model returns no finite logits the search goes half the way back to the image.

    Cost: n_steps input gradients and one forward a run; with "margin" another gradient in each step
    of that kind.
    Source: Madry et al. 2018, arXiv 1706.06083, section 2.1. FGSM: Goodfellow et al. 2015,
    arXiv 1412.6572, section 4 (n_steps 1, step_size eps, no random start).
    """

    threat: Threat
    n_steps: int
    step_size: float
    random_start: bool = True
    clips_start: bool = True
    n_runs: int = 1
    fallback_loss: Literal["margin"] | None = None
    leaves_when_broken: bool = True
    POLISH_STEPS: ClassVar[int] = 10

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> PGD:
        """FGSM, PGD, or PGD as the SAT code evaluates with it."""
        return cls(
            threat=threat,
            n_steps=stage.steps,
            step_size=step_in_pixels(stage, threat.eps),
            random_start=bool(stage.random_start),
            clips_start=stage.attack != "pgd-sat",
            n_runs=n_targets(stage, n_classes),
            fallback_loss=stage.fallback_loss,
            leaves_when_broken=not stage.needs_last_iterate,
        )

    def start(self, net: Net, task: Task, run: Tensor) -> PGDSearch:
        """Begin at a random point of the ball, or at the image itself."""
        x_adv = task.x
        if self.random_start:
            keys = random.split(task.key, run)
            x_adv = starts.in_ball(task.x, keys, self.threat.norm, self.threat.eps)
            if self.clips_start:
                x_adv = self.threat.project(x_adv, task.x)
        return PGDSearch(**Search.fresh(task, run), x_adv=x_adv.clone())

    def advance(self, net: Net, search: PGDSearch) -> None:
        """One gradient step, from a point that it looks at."""
        x, x_adv, y = search.task.x, search.x_adv, search.task.y
        if self.fallback_loss is None:
            logits, grad = gradient(net, search, x_adv, lambda z: losses.cross_entropy(z, y))
        else:
            logits, grad = cross_entropy_or_margin(net, search, x_adv)
        margin = losses.margin(logits, y)
        if not self.clips_start:  # what lies outside the pixel range is no image
            margin = margin.masked_fill(search.k == 0, -torch.inf)
        search.note(x_adv, margin)
        is_lost = ~losses.is_finite(logits)
        for at in slices(x):
            self._move(x[at], x_adv[at], grad[at], is_lost[at])
        search.k = search.k + 1

    def _move(self, x: Tensor, x_adv: Tensor, grad: Tensor, is_lost: Tensor) -> None:
        """Change the rows x_adv in place: a step along `grad`, or half the way back to the image.

        All (B, C, H, W); is_lost: (B,) where the model returned no finite logits.
        """
        back = (x_adv + x).div_(2) if not may_ask(x) or bool(is_lost.any()) else None
        x_adv.add_(direction(grad, self.threat.norm).mul_(self.step_size))
        if back is not None:
            put_rows(x_adv, is_lost, back)
        self.threat.projector(x)(x_adv)

    def finish(self, net: Net, search: PGDSearch) -> None:
        """Look at the point that the last step has reached."""
        search.note(search.x_adv, losses.margin(net.logits(search.x_adv), search.task.y))

    def resume(self, net: Net, search: PGDSearch, n_steps: int) -> None:
        """Go on from the worst image."""
        search.x_adv = search.best.clone()
        search.best_score.fill_(-torch.inf)
        search.k.fill_(self.n_steps - n_steps)

    def run_passes(self, n_steps: int) -> tuple[int, int]:
        """Exact but for the fallback loss, which may be needed in every step."""
        return 1, n_steps if self.fallback_loss is None else 2 * n_steps

    def least_passes(self) -> Passes:
        """The random start, if it is looked at, else what the first step reaches."""
        if not self.leaves_when_broken:
            return Passes(self.n_runs, self.n_runs * self.n_steps)
        if self.random_start and self.clips_start:
            return Passes(gradients=1)
        return Passes(gradients=2) if self.n_steps > 1 else Passes(forwards=1, gradients=1)


def direction(grad: Tensor, norm: str) -> Tensor:
    """Steepest ascent of unit length: sign(grad) for Linf, grad / |grad|_2 for L2; (B, C, H, W).

    A new tensor; where the gradient is zero, so is the direction.
    """
    return grad.sign() if norm == "Linf" else unit(grad)
