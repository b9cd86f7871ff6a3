"""The output folder: written beside, then swapped in; what is not ours is never overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.files.writing import leftovers, temporary_name

MARKER = ".sat-zoo-site"
"""Lies in every folder that we wrote, and says that we may replace it."""


@contextmanager
def replaced(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A fresh folder to write to, which becomes `out` when the block ends without an error.

    A reader of `out` sees the old site or the whole new one. What `force` replaces is moved to
    `OUT.replaced` and not deleted: it may be somebody's only copy.
    Raises UsageError if `out` is not ours and `force` is not given; ReportError if it cannot be
    written.
    """
    out = out.resolve()
    check_ours(out, force=force)
    fresh = temporary_name(out, "new")
    try:
        fresh.mkdir()  # fails where anything has that name
    except OSError as error:
        raise ReportError(
            f"--out {out}: the folder {out.parent} cannot be written: {error.strerror}; choose"
            " another path"
        ) from error
    try:
        yield fresh
        (fresh / MARKER).write_text("Written by sat-zoo leaderboard build, which replaces it.\n")
        _swap(fresh, out)
        for end in ("new", "old"):  # of killed builds, once a whole site is there
            for abandoned in leftovers(out, end):
                shutil.rmtree(abandoned, ignore_errors=True)
    except OSError as error:
        raise ReportError(
            f"--out {out} cannot be written: {error.strerror}; choose another path"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_ours(out: Path, *, force: bool) -> None:
    """Raise UsageError unless `out` is absent, empty, ours, or given up with `force`."""
    here = Path.cwd()
    if out == here or out in here.parents:
        raise UsageError(
            f"--out {out} is the folder you stand in or holds it: name a folder inside, as"
            " --out leaderboard-site"
        )
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist: create it")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file() and not force:
        raise UsageError(
            f"--out {out} holds files that sat-zoo did not write: name another folder, or add"
            " --force to move it aside"
        )


def _swap(fresh: Path, out: Path) -> None:
    """Put `fresh` in the place of `out`; if that fails, `out` is as it was."""
    if not out.exists():
        fresh.rename(out)
        return
    is_ours = (out / MARKER).is_file() or not any(out.iterdir())
    old = temporary_name(out, "old") if is_ours else _free(out.with_name(f"{out.name}.replaced"))
    out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        old.rename(out)
        raise
    if is_ours:
        shutil.rmtree(old, ignore_errors=True)


def _free(path: Path) -> Path:
    """`path`, or the first of `path.2`, `path.3` ... that does not exist."""
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}.{number}"), number + 1
    return candidate
