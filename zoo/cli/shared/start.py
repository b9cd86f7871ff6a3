"""The start of a command that needs torch."""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def import_torch() -> None:
    """Import torch without looking for garbage in it, then or later.

    An import makes hundreds of thousands of objects that stay until the process ends. Python walks
    over them again and again while they come, and once more before it ends: a quarter of the time.
    Does nothing where torch is imported already, by whoever may rely on collections.
    """
    if "torch" in sys.modules:
        return
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        import_module("torch")
        gc.freeze()
    finally:
        if was_collecting:
            gc.enable()
