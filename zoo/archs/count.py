"""The size of a network: the two numbers that stand on its card."""

import torch
from torch import Tensor, nn

__all__ = ["count_flops", "count_parameters"]


def count_parameters(network: nn.Module) -> int:
    """Number of trainable scalars, batch norm's scale and shift included."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_flops(network: nn.Module, size: tuple[int, int, int]) -> int:
    """Multiply-adds of all convolutions and linear layers for one image of `size` (C, H, W).

    Biases, batch norm, activations and pooling are not counted, as is usual. A network on the
    meta device is counted without computing or allocating anything. Modes and gradients of the
    network are left as they were.
    """
    total = 0

    def add(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):  # one dot product of in/groups * kh * kw an output
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    weight = next(network.parameters())
    was_training = {module: module.training for module in network.modules()}
    hooks = [module.register_forward_hook(add) for module in network.modules()]
    try:
        network.eval()
        with torch.inference_mode():
            network(torch.zeros((1, *size), device=weight.device, dtype=weight.dtype))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    return total
