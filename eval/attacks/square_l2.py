"""The patterns of Square in L2: mass moves from one window into another.

Source: Andriushchenko et al. 2020, arXiv 1912.00049, section 3.3 and Algorithm 3.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from eval.attacks import random
from eval.lengths import length, unit

FIRST_SIGN = 5
"""Of the random numbers of a query, the first that is a sign; before it, two windows and a turn."""


@cache
def pattern(side: int) -> Tensor:
    """The update eta of the paper: (side, side), unit L2 norm, one half positive, one negative."""
    eta = torch.zeros(side, side, dtype=torch.float32)
    upper = side // 2
    eta[:upper] = _bump(upper, side)
    eta[upper:] = -_bump(side - upper, side)
    return eta / length(eta.flatten())


def _bump(height: int, width: int) -> Tensor:
    """Nested rectangles around the centre, each layer lighter by 1 / layer^2."""
    bump = torch.zeros(height, width, dtype=torch.float32)
    row, column = height // 2, width // 2
    for layer in range(max(row, column) + 1):
        top, left = max(row - layer, 0), max(column - layer, 0)
        bump[top : row + layer + 1, left : column + layer + 1] += 1 / (layer + 1) ** 2
    return bump / length(bump.flatten()) if height else bump


def propose_l2(delta: Tensor, side: Tensor, drawn: Tensor, eps: float) -> Tensor:
    """Empty a second window and put its mass, and what eps still allows, into a first one.

    delta: (B, C, H, W) the present change. side: (B,). drawn: (B, >= FIRST_SIGN + C)
    uniform numbers. Images whose windows have the same side are changed together.
    """
    # In units of about eps, a power of two, so that the squares of a tiny eps do not vanish.
    size = 2.0 ** (math.frexp(eps)[1] - 1)
    delta = delta / size
    new = torch.empty_like(delta)
    for s in set(side.tolist()):
        rows = (side == s).nonzero().squeeze(1)
        new[rows] = _propose_same_side(delta[rows], int(s), drawn[rows], eps / size)
    return new * size


def _propose_same_side(delta: Tensor, s: int, drawn: Tensor, eps: float) -> Tensor:
    n, channels, height, width = delta.shape
    eta = pattern(s).to(delta.device).expand(n, s, s)
    eta = torch.where(drawn[:, 2, None, None] < 0.5, eta, eta.transpose(1, 2))
    signs = random.signs(drawn[:, FIRST_SIGN : FIRST_SIGN + channels])
    first = _index(drawn[:, 0], drawn[:, 1], s, height, width)
    second = _index(drawn[:, 3], drawn[:, 4], s, height, width)
    flat = delta.flatten(2)
    in_first = _take(flat, first)
    both = torch.zeros(n, 1, height * width, dtype=torch.bool, device=delta.device)
    both.scatter_(2, first.flatten(1)[:, None], True).scatter_(2, second.flatten(1)[:, None], True)
    mass = (flat * both).square().sum(2)
    spare = (eps**2 - flat.square().sum((1, 2))).clamp_min(0) / channels
    new = eta[:, None].flatten(2) * signs[:, :, None]
    new = new + unit(in_first.flatten(0, 1)).view_as(in_first)
    new = unit(new.flatten(0, 1)).view_as(new)
    new = new * (mass + spare[:, None]).sqrt()[:, :, None]
    moved = torch.where(both, 0.0, flat)
    index = first.flatten(1)[:, None].expand(-1, channels, -1)
    moved = moved.scatter(2, index, new)
    whole = length(moved.flatten(1)).view(-1, 1, 1)
    return (moved * (eps / whole.masked_fill(whole == 0, 1.0))).view_as(delta)


def _index(u_row: Tensor, u_column: Tensor, s: int, height: int, width: int) -> Tensor:
    """Flat pixel indices (B, s, s) of a window at a uniform place."""
    row = (u_row * (height - s + 1)).floor().long()[:, None, None]
    column = (u_column * (width - s + 1)).floor().long()[:, None, None]
    offset = torch.arange(s, device=u_row.device)
    return (row + offset[None, :, None]) * width + column + offset[None, None, :]


def _take(flat: Tensor, index: Tensor) -> Tensor:
    return flat.gather(2, index.flatten(1)[:, None].expand(-1, flat.shape[1], -1))
