"""Folding batch norm into the convolution before it: the same function, one pass fewer."""

from __future__ import annotations

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norm(model: nn.Module, x: Tensor) -> int:
    """Fold, in place, every batch norm whose input is the output of one convolution.

    Which convolution feeds which batch norm is seen by running the model on x (B, C, H, W), so
    that any control flow works. A convolution whose output is used elsewhere too would then give
    wrong results: whoever folds must compare the outputs.

    Returns the number of batch norms folded.
    """
    pairs = _feeding_pairs(model, x)
    parents = {
        child: (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
    }
    for norm, conv in pairs.items():
        conv.weight, bias = _folded(conv, norm)
        conv.bias = bias
        parent, name = parents[norm]
        # timm's BatchNormAct2d applies the activation too.
        rest = norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()
        setattr(parent, name, rest)
    return len(pairs)


def _feeding_pairs(model: nn.Module, x: Tensor) -> dict[nn.BatchNorm2d, nn.Conv2d]:
    made_by: dict[int, nn.Conv2d] = {}
    kept: list[Tensor] = []  # keeps outputs alive, so that their identities stay unique
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}
    n_calls: dict[nn.Module, int] = {}

    def after_conv(conv: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        made_by[id(output)] = conv
        kept.append(output)
        n_calls[conv] = n_calls.get(conv, 0) + 1

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        n_calls[norm] = n_calls.get(norm, 0) + 1
        conv = made_by.get(id(inputs[0]))
        if conv is not None and norm.track_running_stats and norm.running_mean is not None:
            pairs[norm] = conv

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_conv))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    # A module that is used twice has two inputs or two readers; it stays as it is.
    return {n: c for n, c in pairs.items() if n_calls[n] == 1 and n_calls[c] == 1}


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Parameter, nn.Parameter]:
    # In float64: the folded weights are then as near to the exact ones as fp32 allows.
    double = [
        None if t is None else t.double()
        for t in (
            conv.weight,
            conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
        )
    ]
    weight, bias, mean, var, gamma, beta = double
    assert weight is not None
    assert mean is not None
    assert var is not None
    new_weight, new_bias = fuse_conv_bn_weights(weight, bias, mean, var, norm.eps, gamma, beta)
    dtype = conv.weight.dtype
    return (
        nn.Parameter(new_weight.to(dtype), requires_grad=False),
        nn.Parameter(new_bias.to(dtype), requires_grad=False),
    )
