"""A network that a stranger asked for, counted while it is built: too large, it is not ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn
from torch.nn.modules import module as torch_module

from eval.errors import ModelError
from eval.files.border import border
from eval.files.limits import check


@contextmanager
def growing_within_limits(name: str) -> Iterator[None]:
    """Whatever this thread builds within has no more parts and parameters than the limits say.

    Raises `ModelError`, which names the model, as soon as it has one more.
    """
    owner = threading.get_ident()
    n_modules = n_parameters = 0

    def count_module(_: nn.Module, __: str, part: nn.Module | None) -> None:
        nonlocal n_modules
        if threading.get_ident() == owner and part is not None:
            n_modules += 1
            with _refusing(name):
                check("modules", n_modules, "parts, or more")

    def count_parameter(_: nn.Module, __: str, values: nn.Parameter | None) -> None:
        nonlocal n_parameters
        if threading.get_ident() == owner and values is not None:
            n_parameters += values.numel()
            with _refusing(name):
                check("parameters", n_parameters, "parameters, or more")

    hooks = [
        torch_module.register_module_module_registration_hook(count_module),
        torch_module.register_module_parameter_registration_hook(count_parameter),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _refusing(name: str) -> AbstractContextManager[None]:
    return border(f"{name}: its network", ModelError, "use `evaluate(model)`")
