"""Whether there is room where we and the Hub's client write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from eval.files.home import home
from zoo.doctor.findings import Fact, Line, size

LITTLE = 10**9
"""Bytes: a large model with its copy while it is imported."""


def lines() -> Iterator[Line]:
    """Free space at SAT_ZOO_HOME and at the Hub's cache. The folders may be missing."""
    from huggingface_hub import constants

    yield room("SAT_ZOO_HOME", home(), needed=True)
    yield room("HF_HOME", Path(constants.HF_HUB_CACHE))


def room(setting: str, folder: Path, *, needed: bool = False) -> Line:
    """The room at `folder`, which `setting` moves elsewhere."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    name = f"disk at {setting}"
    free = shutil.disk_usage(there).free
    facts: dict[str, Fact] = {"path": str(folder), "free_bytes": free}
    if there.is_dir() and os.access(there, os.W_OK):
        says = f"{folder}, {size(free)} free"
        if free >= LITTLE:
            return Line(name=name, mark="ok", says=says, needed=needed, facts=facts)
        # Journals and reports are small: the default job still runs.
        fix = f"free some space there or name another folder in {setting}"
        return Line(name=name, mark="broken", says=says, fix=fix, facts=facts)
    why = "cannot be written to" if there.is_dir() else "is a file"
    return Line(
        name=name,
        mark="broken",
        says=f"{there} {why}",
        fix=f"allow it or name another folder in {setting}",
        needed=needed,
        facts=facts,
    )
