"""Clean and robust accuracy on the held-out images, for choosing the model. Not a Report."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.attacks.random import image_key
from zoo.loading import ZooModel
from zoo.train.distributed import Ranks
from zoo.train.feed import Memory
from zoo.train.inner import Inner, autocast, perturb
from zoo.train.recipe import Recipe


def validate(
    model: ZooModel, held_out: Memory, recipe: Recipe, ranks: Ranks, *, batch_size: int = 250
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
        x = held_out.as_float(held_out.images[positions.to(held_out.images.device)])
        y = held_out.y[positions.to(held_out.y.device)]
        x_adv = perturb(model, x, y, attack, generator)
        n_right += torch.stack([_n_right(model, x, y, recipe), _n_right(model, x_adv, y, recipe)])
    model.train(was_training)
    clean, robust = (ranks.total(n_right) / len(held_out)).tolist()
    return clean, robust


def _n_right(model: ZooModel, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    with torch.no_grad(), autocast(x.device, recipe.precision):
        n_right: Tensor = (model(x).argmax(1) == y).sum()
    return n_right


def _pieces(positions: Tensor, size: int) -> tuple[Tensor, ...]:
    return torch.split(positions, size)
