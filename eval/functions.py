"""A model as people hand it over: a module, or a function of images that is made one.

What a function computes with can be seen only in part. The networks that it reaches are found, so
that their mode, weights and device are looked after as those of any model; the rest is unknown, and
the Report says so by the flag `function-model`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor, nn

from eval.errors import ModelError, UsageError
from eval.files.border import plain
from eval.seen import Seen, parts_of

ModelLike: TypeAlias = nn.Module | Callable[[Tensor], Any]
"""A model as a public function takes it: images (B, C, H, W) in [0, 1] -> logits (B, K)."""

_DEEP = 3
"""How many functions deep, one calling the other, networks are looked for."""


class FunctionModel(nn.Module):
    """A function of images as a module.

    networks: what the function was seen to compute with; its modes, weights and devices are those
    of this module. seen_sha256: of the code, so that two functions have two digests, as far as
    they differ in what can be seen.
    """

    seen_sha256: Tensor

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        found = list(dict.fromkeys(_networks(function, _DEEP)))
        self.networks = nn.ModuleList(found)
        self.training = self.networks.training = False
        self._function = function
        digest = hashlib.sha256("\n".join(Seen().lines(function, _DEEP)).encode()).digest()
        self.register_buffer("seen_sha256", torch.frombuffer(bytearray(digest), dtype=torch.uint8))

    def forward(self, x: Tensor) -> Any:
        """Whatever the function returns."""
        return self._function(x)

    def __deepcopy__(self, _: object) -> NoReturn:
        raise TypeError("a function cannot be copied, only a torch.nn.Module can")


def as_module(model: ModelLike, argument: str = "model") -> nn.Module:
    """`model` itself if it is a module, else its function as a `FunctionModel`.

    Raises UsageError for what is neither, in a sentence that says what to give instead; ModelError
    for a function that computes with a network in train mode.
    """
    if isinstance(model, nn.Module):
        return model
    kind = type(model).__name__
    if isinstance(model, type):
        raise UsageError(
            f"`{argument}` is the class {model.__name__}: make a model of it, {model.__name__}()"
        )
    if isinstance(model, str | os.PathLike):
        raise UsageError(
            f"`{argument}` {plain(repr(model), 80)} is a name, and eval knows none: use"
            " zoo.evaluate, or give the model itself, as zoo.load returns it"
        )
    if isinstance(model, Mapping):
        raise UsageError(
            f"`{argument}` is a {kind} of {len(model)} entries and looks like a state dict, which"
            " holds weights and no model: make the network, net.load_state_dict(...), and give that"
        )
    if not callable(model):
        raise UsageError(
            f"`{argument}` is a {kind}: give a torch.nn.Module, or a function of images"
            " (B, C, H, W) that returns logits (B, K)"
        )
    made = FunctionModel(model)
    for network in made.networks:
        if any(module.training for module in network.modules()):
            raise ModelError(
                f"`{argument}` is a function that computes with a {type(network).__name__} in train"
                " mode: call its eval()"
            )
    return made


def function_name(model: object) -> str:
    """What a Report may call a model that nobody named: its class, or the function's name."""
    if isinstance(model, nn.Module):
        return type(model).__name__
    name = str(getattr(model, "__name__", type(model).__name__))
    return "function" if name == "<lambda>" else name


def refuse_journal(model: nn.Module, argument: str = "journal") -> None:
    """Raises UsageError for a function: its journal could be taken for that of another one."""
    if isinstance(model, FunctionModel):
        raise UsageError(
            f"`{argument}` needs a model that can be told from every other, and a function can hide"
            " what it computes with: leave it out, or write the model as a torch.nn.Module"
        )


def _networks(function: object, depth: int) -> Iterator[nn.Module]:
    """The modules that a function, method, partial or callable object computes with."""
    if isinstance(function, nn.Module):
        yield function
        return
    if depth:
        for part in parts_of(function):
            yield from _networks(part, depth - 1)
