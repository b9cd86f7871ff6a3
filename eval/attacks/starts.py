"""Where searches begin: every random starting point of every attack, and whose formula it is.

Keys are those of `eval.attacks.random`, one an image, split by run. What is returned is not clipped
to the pixel range, and rounding may leave it a last bit outside of the ball: the attack projects.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.attacks import random
from eval.attacks.square_l2 import pattern
from eval.lengths import length, unit


def in_ball(x: Tensor, keys: Tensor, norm: str, radius: float) -> Tensor:
    """Points uniform in the ball of `radius` around `x`: x (B, C, H, W), keys (B,).

    Of PGD. Source: Madry et al. 2018, arXiv 1706.06083, section 2.1, for Linf; in L2 a direction
    times U^(1/d) is uniform in the d-dimensional ball.
    """
    shape = tuple(x.shape[1:])
    if norm == "Linf":
        return x + (2 * random.uniform(keys, 0, shape) - 1) * radius
    noise = random.normal(keys, 0, shape)
    share = random.uniform(random.split(keys, 0), 0, (1, 1, 1)) ** (1 / noise[0].numel())
    return x + unit(noise) * share * radius


def at_distance(x: Tensor, keys: Tensor, norm: str, radius: float) -> Tensor:
    """Points at distance `radius` from `x`: x (B, C, H, W), keys (B,).

    Uniform noise, in L2 normal noise, scaled to that length. Of APGD, with the radius of the ball,
    and of FAB's restarts, with half of it. Source: Croce & Hein 2020, arXiv 2003.01690 and
    1907.02044, as the authors' package draws them.
    """
    shape = tuple(x.shape[1:])
    if norm == "L2":
        return x + radius * unit(random.normal(keys, 0, shape))
    noise = 2 * random.uniform(keys, 0, shape) - 1
    return x + radius * noise / noise.abs().amax((1, 2, 3), keepdim=True)


def stripes(x: Tensor, keys: Tensor, eps: float) -> Tensor:
    """`x` (B, C, H, W) with vertical stripes of +-eps, a sign for each column of each channel.

    Of Square in Linf. Source: Andriushchenko et al. 2020, arXiv 1912.00049, its initialization.
    """
    return x + eps * random.signs(random.uniform(keys, 0, (x.shape[1], 1, x.shape[3])))


def tiles(x: Tensor, keys: Tensor, eps: float) -> Tensor:
    """`x` (B, C, H, W) with a grid of bumps of random signs, scaled to length eps.

    Of Square in L2. Source: the same, the initialization of the L2 attack.
    """
    n, channels, height, width = x.shape
    side = max(height // 5, 1)
    rows, columns = height // side, width // side
    signs = random.signs(random.uniform(keys, 0, (channels, rows, columns)))
    tile = pattern(side).to(x.device)
    delta = torch.zeros_like(x)
    grid = (signs[:, :, :, None, :, None] * tile[:, None, :]).reshape(
        n, channels, rows * side, columns * side
    )
    delta[:, :, : rows * side, : columns * side] = grid
    return x + eps * delta / length(delta.flatten(1)).view(-1, 1, 1, 1)
