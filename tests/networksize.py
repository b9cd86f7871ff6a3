"""The two numbers on a card that tell how large a network is."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(network: nn.Module) -> int:
    """Number of trainable scalars, batch norm's scale and shift included."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_flops(network: nn.Module, size: tuple[int, int, int]) -> int:
    """Multiply-adds of all convolutions and linear layers for one image of `size` (C, H, W)."""
    weight = next(network.parameters())
    x = torch.zeros((1, *size), device=weight.device, dtype=weight.dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(x)
    return int(counter.get_total_flops()) // 2  # torch counts a multiply-add as two
