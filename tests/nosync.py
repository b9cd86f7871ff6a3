"""Refuses, on the CPU, what would make the host wait for a GPU.

A GPU does what it is given later. Whatever needs a value of a tensor now (a number, a truth, how
many rows a mask has) stops the host until then, and the GPU runs dry afterwards. Nothing on a CPU
shows it, so here every such operation raises.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense,
    aten._unique,
    aten._unique2,
    aten.allclose,
    aten.bincount,
    aten.equal,
    aten.is_nonzero,
    aten.item,
    aten.masked_select,
    aten.nonzero,
    aten.unique_consecutive,
    aten.unique_dim,
}
"""Operations whose result, or its size, the host must know; all that others are made of."""

LEAVES: set[Callable[..., Any]] = {
    Tensor.__array__,
    Tensor.cpu,
    Tensor.numpy,
    Tensor.tolist,
    torch.as_tensor,
    torch.from_numpy,
    torch.tensor,
}
"""Ways between the host's memory and a GPU's. On a CPU they are no operation at all."""


class Waits(AssertionError):
    """The host would wait for the device here."""


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        packet = func._overloadpacket
        if packet in WAITS or _counts_rows(packet, args):
            raise Waits(f"{func} needs a value of a tensor: the host would wait for the device")
        return func(*args, **(kwargs or {}))


def _counts_rows(packet: Any, args: tuple[Any, ...]) -> bool:
    """Whether this indexes with a mask, or repeats by a tensor: the rows must be counted first."""
    if packet is aten.repeat_interleave:
        return isinstance(args[-1], Tensor)
    if packet not in {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}:
        return False
    masks = [t for t in tree_leaves(args[1]) if t is not None and t.dtype == torch.bool]
    # One value for all rows of a mask is filled in without knowing which they are.
    is_fill = packet is not aten.index and args[2].numel() == 1
    return bool(masks) and not is_fill


class _Functions(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func == Tensor.is_cuda.__get__:  # the way that a GPU would take is to be tried
            return True
        to_host = func is Tensor.to and "cpu" in [a for a in args[1:] if isinstance(a, str)]
        if func in LEAVES or to_host:
            raise Waits(f"{func.__name__} moves values to or from the host, which would wait")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Within, whatever would make the host wait for a GPU raises `Waits`; tensors say `is_cuda`.

    Not seen: `x.to(device)` of a tensor that lies elsewhere, since here all lie on the CPU.
    """
    with _Functions(), _Operations():
        yield
