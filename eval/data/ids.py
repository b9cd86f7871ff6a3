"""Files that list ids: which images a run is about."""

from __future__ import annotations

from pathlib import Path

from eval.errors import UsageError


def read_ids(path: Path) -> tuple[str, ...]:
    """The ids in a text file, one a line, in its order; blank lines and # comments are passed over.

    Raises UsageError when the file cannot be read or names no id.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as problem:
        raise UsageError(f"--ids {path} cannot be read: {problem}") from None
    ids = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not ids:
        raise UsageError(f"--ids {path} names no id; write one id a line")
    return ids
