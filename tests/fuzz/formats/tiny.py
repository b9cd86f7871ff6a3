"""The smallest network and images that can break, for formats that need a model."""

from __future__ import annotations

import torch
from torch import nn

from eval.data import ImageSet, from_tensors

PGD = {"attack": "pgd-2", "eps": "1/20", "name": "tiny", "batch_size": 12}


def tiny_net() -> nn.Module:
    """Five classes on 3x6x6 images; always the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(144, 5)
        )
        for parameter in net.parameters():
            parameter.data *= 3
    return net.eval().requires_grad_(False)


def tiny_data(net: nn.Module) -> ImageSet:
    """24 random images; three of four carry the label that `net` gives them."""
    x = torch.rand(24, 3, 6, 6, generator=torch.Generator().manual_seed(5))
    y = net(x).argmax(1)
    y[::4] = (y[::4] + 1) % 5
    return from_tensors(x, y)
