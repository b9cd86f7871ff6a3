"""What one image costs a network: multiply-adds and memory, read off the operations it makes."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Formulas = Mapping[Any, Callable[..., int]]
"""Of an operation: two for each multiply-add, from its arguments and its result."""


@dataclass(frozen=True)
class Cost:
    """Of one image.

    forward, backward: multiply-adds of a forward pass, and of the backward pass to the image
    (matrix products and convolutions; activations and normalisation are not counted, as is usual).
    memory_bytes: the most that forward and backward hold at one time, beside weights and image.
    """

    forward: int
    backward: int
    memory_bytes: int


def measure_cost(model: nn.Module, x: Tensor) -> Cost:
    """What an image of the kind of x (1, C, H, W) costs `model`, which must be in eval mode.

    Costs one pass of one image. Raises `RuntimeError` as torch does for a model that has no
    gradient with respect to its images.
    """
    from torch.utils.flop_counter import flop_registry  # imports triton, where there is one

    return _measured(model, x, flop_registry)


def memory_bytes(model: nn.Module, x: Tensor) -> int:
    """`measure_cost(model, x).memory_bytes`, without the formulas of multiply-adds."""
    return _measured(model, x, {}).memory_bytes


def _measured(model: nn.Module, x: Tensor, formulas: Formulas) -> Cost:
    # A linear layer makes a view of its weight; a view must not count as new memory.
    own = [*model.parameters(), *model.buffers(), x]
    meter = _meter(own, formulas)
    with torch.enable_grad(), meter:
        leaf = x.detach().clone().requires_grad_()
        total = model(leaf).float().sum()
        forward = meter.multiply_adds
        torch.autograd.grad(total, leaf)
    return Cost(forward, meter.multiply_adds - forward, meter.peak)


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that tensors made by `work` held at one time."""
    meter = _meter([], {})
    with meter:
        work()
    return meter.peak


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches operations: counts multiply-adds, and the bytes of the results still alive.

    torch's own FlopCounterMode follows modules with hooks that refuse a gradient with respect to
    the input of the first module, which is the only gradient that an attack takes.
    """

    def __init__(self, known: Iterable[Tensor], formulas: Formulas) -> None:
        """known: tensors whose memory is not counted. formulas: of what is counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._formulas = formulas
        self.multiply_adds = 0
        self.peak = 0
        self._live = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch imports its compiler to keep it out of here, which takes longer than torch."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        count = self._formulas.get(func._overloadpacket)
        if count is None and func is not torch.ops.prim.device.default:
            with self:  # a composite such as linear consists of what can be counted
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if count is not None:
            self.multiply_adds += count(*args, **kwargs, out_val=result) // 2
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._storages or key in self._known:
            return
        n_bytes = storage.nbytes()
        self._live += n_bytes
        self.peak = max(self.peak, self._live)
        self._storages[key] = weakref.ref(storage, lambda _: self._drop(key, n_bytes))

    def _drop(self, key: int, n_bytes: int) -> None:
        self._live -= n_bytes
        del self._storages[key]


class _GuardedMeter(_Meter):  # type: ignore[no-untyped-call]
    """A `_Meter` that the compiler, which somebody imported, must not trace."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs)


def _meter(known: Iterable[Tensor], formulas: Formulas) -> _Meter:
    kind = _GuardedMeter if "torch._dynamo" in sys.modules else _Meter
    return kind(known, formulas)
