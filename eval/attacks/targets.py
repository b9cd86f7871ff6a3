"""Which classes a targeted attack tries, and in which order: the nearest boundary first.

The likeliest wrong class need not be the one that is reached first: a logit may be close and hardly
move, another far and move fast. To first order the boundary between the label y and a class c lies

    (z_y - z_c) / ||grad_x (z_y - z_c)||

away, in the dual norm: L1 for Linf balls, L2 for L2 balls. An image's margin is tightest where that
is smallest, so a run towards that class comes first: what falls, falls early, and leaves.

Source: Melamed, Yehudai & Shamir 2024, "MALT Powers Up Adversarial Attacks", arXiv 2407.02240.
Differs from the source in the norm of the gradient, which is that of the ball.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eval.attacks import losses
from eval.attacks.gradients import usable
from eval.attacks.projections import distance_to_plane
from eval.attacks.search import Task

if TYPE_CHECKING:
    from eval.engine.net import Net
    from eval.stage import Stage

DROPPED_BITS = 12
"""Of the 23 of a distance: within a two-thousandth of each other, two are the same."""


def n_looked_at(stage: Stage, n_classes: int) -> int:
    """Classes whose boundaries `stage` compares; 0 where there is nothing to choose or order."""
    n = min(stage.nearest_of or 0, n_classes - 1)
    return n if n > 1 else 0


def nearest_first(net: Net, task: Task, n: int, norm: str, *, eot: int = 1) -> Task:
    """`task` with its `n` likeliest wrong classes ordered by their distance, nearest first.

    net: in fp32. norm: of the ball. eot: gradients to average over, for a randomised model.

    A function of image and model alone, as far as rounding allows: other rows beside an image may
    change the last bits of its distances, so these are compared without theirs, and where two are
    the same the likelier class comes first. Where the gradient is zero, or a logit is not finite,
    a class is infinitely far.

    Cost: n input gradients an image.
    """
    y, likeliest = task.y, task.ranking[:, :n]
    distances = []
    for target in likeliest.unbind(1):
        gap = partial(losses.difference, y=y, target=target)
        logits, raw = net.gradient(task.x, gap, eot=eot)
        normal = usable(raw.contiguous()).grad.flatten(1)
        distances.append(distance_to_plane(normal, gap(logits), norm))
    order = _coarse(torch.stack(distances, 1)).argsort(dim=1, stable=True)
    return replace(task, ranking=torch.cat([likeliest.gather(1, order), task.ranking[:, n:]], 1))


def _coarse(distance: Tensor) -> Tensor:
    """Whole numbers in the order of the distances >= 0, equal where these nearly are.

    The bits of floats >= 0, infinity too, read as a whole number, are in the order of the floats.
    """
    bits = distance.float().contiguous().view(torch.int32)
    return (bits + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS
