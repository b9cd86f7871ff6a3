"""Torch is imported without collections by a command, and nobody else's collector is touched."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.shared import start
from zoo.cli.shared.start import import_torch

ROOT = Path(__file__).resolve().parents[3]


def test_where_torch_is_imported_already_nothing_is_frozen() -> None:
    before = gc.get_freeze_count()
    assert "torch" in sys.modules or __import__("torch")
    import_torch()
    assert gc.get_freeze_count() == before
    assert gc.isenabled()


@pytest.mark.parametrize("was_collecting", [True, False])
def test_the_collector_is_as_it_was_also_where_torch_cannot_be_imported(
    was_collecting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        assert not gc.isenabled()
        raise ImportError(name)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(start, "import_module", fail)
    (gc.enable if was_collecting else gc.disable)()
    try:
        with pytest.raises(ImportError, match="torch"):
            import_torch()
        assert gc.isenabled() == was_collecting
    finally:
        gc.enable()


def test_what_torch_brought_is_frozen_and_garbage_is_collected_as_ever() -> None:
    code = """
import gc, sys, weakref
from zoo.cli.shared.start import import_torch
import_torch()
assert "torch" in sys.modules and gc.isenabled() and gc.get_freeze_count() > 10_000
class Circle: pass
one = Circle()
one.itself, gone = one, weakref.ref(one)
del one
gc.collect()
assert gone() is None
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
