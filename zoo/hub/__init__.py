"""Weights from the Hugging Face Hub: pinned, resumable, verified. No torch here.

The files lie in huggingface_hub's own cache, where its unmodified client finds them. What its
client does not do is added here: it checks no sha256, and a killed download begins anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.hub.cache import peek
from zoo.hub.pins import Pin

if TYPE_CHECKING:
    from zoo.hub.transfer import OnBytes

__all__ = ["cached", "fetch", "peek", "resolve"]


def fetch(pin: Pin, *, progress: OnBytes | None = None) -> Path:
    """`Hub.fetch` with the user's settings: `HF_ENDPOINT`, `HF_HOME`, `HF_TOKEN` ..."""
    from zoo.hub.client import Hub

    return Hub().fetch(pin, progress=progress)


def cached(pin: Pin) -> Path | None:
    """`Hub.cached` with the user's settings."""
    from zoo.hub.client import Hub

    return Hub().cached(pin)


def resolve(repo: str, revision: str, file: str = "model.safetensors") -> Pin:
    """`Hub.resolve` with the user's settings."""
    from zoo.hub.client import Hub

    return Hub().resolve(repo, revision, file)
