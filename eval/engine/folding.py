"""Folding batch norm into the convolution before it: the same function, one pass fewer."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

__all__ = ["fold_batch_norm", "foldable", "take_out"]


def fold_batch_norm(model: nn.Module, x: Tensor) -> int:
    """Fold, in place, every batch norm that is `foldable`; returns how many.

    Whoever folds must compare the outputs: see `foldable`.
    """
    pairs = foldable(model, x)
    names = {module: name for name, module in model.named_modules()}
    for norm, conv in pairs.items():
        conv.weight, conv.bias = _folded(conv, norm)
        take_out(model, names[norm])
    return len(pairs)


def foldable(model: nn.Module, x: Tensor) -> dict[nn.BatchNorm2d, nn.Conv2d]:
    """Every batch norm whose input is the output of one convolution, with that convolution.

    Which convolution feeds which batch norm is seen by running the model, in eval mode, on
    x (B, C, H, W), so that any control flow works. Not among them: modules that are used more than
    once, that have hooks or parametrizations, or whose tensors are read by anything but their own
    forward. A convolution whose output is used elsewhere too is among them and would, folded, give
    wrong results: whoever folds must compare the outputs.
    """
    trace = _Trace(model)
    trace.follow(x)
    return trace.pairs()


def take_out(model: nn.Module, norm: str) -> None:
    """Replace the batch norm of that name by what is left of it when it is folded."""
    folded = model.get_submodule(norm)
    parent, _, name = norm.rpartition(".")
    # timm's BatchNormAct2d applies the activation too.
    rest = folded.act if isinstance(folded, _of_timm("BatchNormAct2d")) else nn.Identity()
    setattr(model.get_submodule(parent), name, rest)


class _Trace(TorchFunctionMode):
    """One pass through a model: which convolution feeds which norm, and who reads their tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model
        known = _known()
        n_places = Counter(module for _, module in model.named_modules(remove_duplicate=False))
        self._plain = {
            module
            for module, n in n_places.items()
            if type(module) in known
            and n == 1  # else it is tied: several parents hold it
            and not _is_watched(module)
        }
        self._owner = {
            id(tensor): module
            for module in self._plain
            for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        }
        self._inside: list[nn.Module] = []
        self._made_by: dict[int, nn.Conv2d] = {}
        self._kept: list[Tensor] = []  # keeps outputs alive, so that their identities stay unique
        self._fed_by: dict[nn.BatchNorm2d, nn.Conv2d] = {}
        self._n_calls: dict[nn.Module, int] = {}
        self._read_elsewhere: set[nn.Module] = set()

    def follow(self, x: Tensor) -> None:
        """Run the model on x, watching."""
        hooks = [
            hook
            for module in self._plain
            for hook in (
                module.register_forward_pre_hook(self._before),
                module.register_forward_hook(self._after),
            )
        ]
        try:
            with torch.no_grad(), self:
                self._model(x)
        finally:
            for hook in hooks:
                hook.remove()

    def pairs(self) -> dict[nn.BatchNorm2d, nn.Conv2d]:
        """The norms that can be folded, each with its convolution."""

        def is_free(module: nn.Module) -> bool:
            return self._n_calls[module] == 1 and module not in self._read_elsewhere

        return {n: c for n, c in self._fed_by.items() if is_free(n) and is_free(c)}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        for value in tree_leaves((args, kwargs)):
            owner = self._owner.get(id(value))
            if owner is not None and owner not in self._inside:
                self._read_elsewhere.add(owner)
        return func(*args, **kwargs)

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inside.append(module)
        self._n_calls[module] = self._n_calls.get(module, 0) + 1
        if isinstance(module, nn.BatchNorm2d):
            conv = self._made_by.get(id(inputs[0]))
            if conv is not None and module.track_running_stats and module.running_mean is not None:
                self._fed_by[module] = conv

    def _after(self, module: nn.Module, _: object, output: Tensor) -> None:
        self._inside.remove(module)
        if isinstance(module, nn.Conv2d):
            self._made_by[id(output)] = module
            self._kept.append(output)


def _known() -> set[type]:
    """Exactly these classes: a subclass may compute anything in its forward."""
    return {
        nn.Conv2d,
        nn.BatchNorm2d,
        *_of_timm("BatchNormAct2d"),
        *_of_timm("Conv2dSame"),
    }


def _of_timm(name: str) -> tuple[type, ...]:
    """The class `timm.layers.NAME`, empty where timm is not imported: no model has one then.

    timm takes longer to import than torch, and most of what is attacked has nothing of it.
    """
    found = getattr(sys.modules.get("timm.layers"), name, None)
    return (found,) if isinstance(found, type) else ()


def _is_watched(module: nn.Module) -> bool:
    """Whether hooks or parametrizations (weight norm, spectral norm) belong to `module`."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return any(hooks) or is_parametrized(module)


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
