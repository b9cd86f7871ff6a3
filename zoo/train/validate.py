"""Accuracy between epochs: on held-out images, to choose the model, and on training images.

Not a Report. No random stream of the training is touched.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.attacks.random import image_key
from zoo.model import ZooModel
from zoo.train.data.feed import Feed, MemoryFeed
from zoo.train.distributed import Ranks
from zoo.train.objective.inner import Inner, autocast, perturb
from zoo.train.recipe import Recipe

MOST_SAMPLED = 1000
"""Training images whose clean accuracy is measured, at most."""


def validate(
    model: ZooModel, held_out: MemoryFeed, recipe: Recipe, ranks: Ranks, *, batch_size: int = 250
) -> tuple[float, float]:
    """Clean accuracy and accuracy under PGD, as fractions of the held-out images.

    The attack starts from the same random points at every call, so that epochs compare. It runs
    in the recipe's precision; a prediction counts as that precision gives it.
    """
    threat = Inner.of(recipe).threat
    attack = Inner(threat, recipe.validation_steps, threat.eps / 4, precision=recipe.precision)
    generator = torch.Generator(ranks.device)
    generator.manual_seed(image_key(0, str(ranks.rank), "validation"))
    n_right = torch.zeros(2, dtype=torch.float64, device=ranks.device)
    was_training = model.training
    model.eval()
    for positions in _pieces(ranks.share(torch.arange(len(held_out))), batch_size):
        x, y = _images(held_out, positions)
        x_adv = perturb(model, x, y, attack, generator)
        n_right += torch.stack([_n_right(model, x, y, recipe), _n_right(model, x_adv, y, recipe)])
    model.train(was_training)
    clean, robust = (ranks.total(n_right) / len(held_out)).tolist()
    return clean, robust


def sample(training: MemoryFeed, held_out: Feed | None) -> Tensor:
    """Positions of as many training images as are held out, at most `MOST_SAMPLED`.

    The same ones at every call; without held-out images up to `MOST_SAMPLED`.
    """
    n = MOST_SAMPLED if held_out is None else min(MOST_SAMPLED, len(held_out))
    stream = torch.Generator().manual_seed(0)
    return torch.randperm(len(training), generator=stream)[:n]


def clean_accuracy(
    model: ZooModel,
    data: MemoryFeed,
    positions: Tensor,
    recipe: Recipe,
    ranks: Ranks,
    *,
    batch_size: int = 250,
) -> float:
    """Share of the images at `positions` (N,) that are classified right, in inference mode."""
    n_right = torch.zeros(1, dtype=torch.float64, device=ranks.device)
    was_training = model.training
    model.eval()
    for piece in _pieces(ranks.share(positions), batch_size):
        n_right += _n_right(model, *_images(data, piece), recipe)
    model.train(was_training)
    return float(ranks.total(n_right)) / len(positions)


def _images(data: MemoryFeed, positions: Tensor) -> tuple[Tensor, Tensor]:
    x = data.as_float(data.images[positions.to(data.images.device)])
    return x, data.y[positions.to(data.y.device)]


def _n_right(model: ZooModel, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    with torch.no_grad(), autocast(x.device, recipe.precision):
        n_right: Tensor = (model(x).argmax(1) == y).sum()
    return n_right


def _pieces(positions: Tensor, size: int) -> tuple[Tensor, ...]:
    return torch.split(positions, size)
