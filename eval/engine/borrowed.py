"""A caller's model is borrowed: it comes back as it was, whatever ended the work on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eval.ieee import ieee_fp32

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_TABLES = ("_parameters", "_buffers", "_modules")


@contextmanager
def borrowed(model: nn.Module, place: torch.device) -> Iterator[None]:
    """`model` on the device `place` for as long as the block runs, and then as it was before.

    Put back are the very tensors of its parameters and buffers, on their devices and with their
    values, `requires_grad` and `grad`, and every module's modules, hooks, training mode, and a
    forward that is its own and not of its class; also where the block raises. So neither a move nor
    a forward that writes into the model is left in it. What a forward keeps in attributes of its
    own, as a cache or a counter, is the model's affair. Within, float32 keeps all its bits.

    Cost: a copy of the weights on the CPU, unless they are moved; then the originals are it.
    """
    modules = [_ModuleState(module) for module in model.modules()]
    tensors = _tensors(model)
    place = torch.empty(0, device=place).device  # "cuda" with its index
    homes = {tensor.device for tensor in tensors}
    is_moved = homes != {place} and bool(homes or place.type != "cpu")
    kept = [_TensorState(tensor, keeps_values=not is_moved) for tensor in tensors]
    try:
        if is_moved:
            model.to(place)
        with ieee_fp32():
            yield
    finally:
        for module in modules:
            module.put_back()
        for tensor in kept:
            tensor.put_back()
        if is_moved and len(homes) < 2:
            # The tensors are there; this is for a model that moves more than these.
            model.to(*homes or (torch.device("cpu"),))


def _tensors(model: nn.Module) -> list[Tensor]:
    return list({id(t): t for t in (*model.parameters(), *model.buffers())}.values())


class _ModuleState:
    """What a module is beside the values of its tensors."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._is_training = getattr(module, "training", None)  # none of a frozen script
        self._forward = vars(module).get("forward")
        self._hooks = {name: dict(getattr(module, name, {})) for name in _HOOKS}
        # A script's tables are views of what C++ holds; there no tensor is exchanged.
        is_script = isinstance(module, torch.jit.ScriptModule)
        self._tables = {} if is_script else {n: dict(getattr(module, n)) for n in _TABLES}

    def put_back(self) -> None:
        if self._is_training is not None:
            self._module.training = self._is_training
        if vars(self._module).get("forward") is not self._forward:
            vars(self._module).pop("forward")
            vars(self._module).update({"forward": self._forward} if self._forward else {})
        for name, before in (*self._hooks.items(), *self._tables.items()):
            now: dict[Any, Any] | None = getattr(self._module, name, None)
            if now is not None and not _same(now, before):
                now.clear()
                now.update(before)


def _same(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return list(now) == list(before) and all(now[key] is before[key] for key in before)


class _TensorState:
    """A parameter or buffer: where its values lie, and, if they could change there, the values."""

    def __init__(self, tensor: Tensor, *, keeps_values: bool) -> None:
        self._tensor = tensor
        self._data = tensor.data
        self._values = tensor.detach().to("cpu", copy=True) if keeps_values else None
        self._requires_grad = tensor.requires_grad
        self._grad = tensor.grad if tensor.is_leaf else None

    def put_back(self) -> None:
        tensor, data = self._tensor, self._data
        if tensor.device != data.device or tensor.data_ptr() != data.data_ptr():
            tensor.data = data
        if self._values is not None and not torch.equal(data.cpu(), self._values):
            with torch.inference_mode(data.is_inference()), torch.no_grad():
                data.copy_(self._values)
        if tensor.requires_grad != self._requires_grad:
            tensor.requires_grad_(self._requires_grad)
        if tensor.is_leaf and tensor.grad is not self._grad:
            tensor.grad = self._grad
