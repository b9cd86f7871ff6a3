"""Smooth Adversarial Training models: `zoo.load(name)`, `zoo.card(name)`, `zoo.list_models()`.

Importing the package imports no torch; `load` does.
"""

from typing import TYPE_CHECKING, Any

from zoo.cards import ModelCard
from zoo.registry import card, list_models

if TYPE_CHECKING:
    from zoo.loading import load

__all__ = ["ModelCard", "card", "list_models", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from zoo.loading import load

        return load
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
