"""A file that becomes another as soon as somebody has opened it: a race that always is lost."""

import builtins
import io
import os
from pathlib import Path
from typing import Any

import pytest


def swap_once_open(monkeypatch: pytest.MonkeyPatch, path: Path, other: bytes) -> None:
    """Whoever opens `path` reads what is there; whoever opens it again finds `other`."""
    real = io.open

    real_descriptor = os.open

    def swap(file: Any) -> None:
        if isinstance(file, str | os.PathLike) and Path(file).resolve() == path.resolve():
            beside = path.with_name(f"{path.name}.other")
            with real(beside, "wb") as out:
                out.write(other)
            beside.replace(path)

    def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
        found = real(file, *args, **kwargs)
        swap(file)
        return found

    def opened_descriptor(file: Any, *args: Any, **kwargs: Any) -> int:
        found = real_descriptor(file, *args, **kwargs)
        swap(file)
        return found

    monkeypatch.setattr(os, "open", opened_descriptor)
    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(builtins, "open", opened)
