"""Network definitions that timm lacks, an architecture or a family of them a file.

`timm.create_model` knows them once `register` was called. Importing `zoo.networks` and building a
network call it where timm is imported already; whoever imports timm later calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["builder", "register", "register_if_timm_is_here"]

MODULES = ("efficientnet", "resnet", "small")
WITHOUT_TIMM = {
    "satzoo_resnet8_digits": ("digits", "resnet8_digits"),
    "satzoo_resnet18_cifar": ("cifar", "resnet18_cifar"),
}
"""Module and function of the networks whose definition needs nothing but torch."""


def register() -> None:
    """Make every `satzoo_*` name known to `timm.create_model`. Calling it again does nothing."""
    for module in MODULES:
        import_module(f"zoo.archs.{module}")


def register_if_timm_is_here() -> None:
    """`register`, if somebody imported timm: nobody who does not need it waits for it."""
    if "timm" in sys.modules:
        register()


def builder(arch: str) -> Callable[..., nn.Module] | None:
    """What builds the network `arch` without timm, None if only timm can.

    It takes what `timm.create_model` takes besides the name and all about pretrained weights.
    """
    if arch not in WITHOUT_TIMM:
        return None
    module, function = WITHOUT_TIMM[arch]
    found: Callable[..., nn.Module] = getattr(import_module(f"zoo.archs.{module}"), function)
    return found
