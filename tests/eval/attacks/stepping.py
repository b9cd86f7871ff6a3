"""Attacks stepped by hand, for tests of what `eval.attack` does not tell: iterates, raw claims."""

from typing import Any

import torch
from torch import Tensor, nn

from eval.attacks.attack import Attack
from eval.attacks.search import Task
from eval.engine.net import Net


def task(model: nn.Module, x: Tensor, y: Tensor | None = None) -> Task:
    """The images x with labels y, by default those that `model` gives them."""
    logits, n = model(x), len(x)
    y = logits.argmax(1) if y is None else y
    ranking = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)[:, :-1]
    return Task(torch.arange(n), x, y, torch.arange(n) * 104729, ranking)


def stepped(
    attack: Attack, net: nn.Module | Net, images: Task, n_steps: int | None = None, run: int = 0
) -> Any:
    """The search after `n_steps` of run `run`, by default all; net: a `Net` counts its passes."""
    net = net if isinstance(net, Net) else Net(net)
    images = attack.prepared(net, images)
    search: Any = attack.start(net, images, torch.full((len(images),), run))
    for _ in range(attack.n_steps if n_steps is None else n_steps):
        attack.step(net, search)
    return search
