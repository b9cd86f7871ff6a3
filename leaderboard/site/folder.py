"""The output folder: written beside, then swapped in; what is not ours is never overwritten."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eval.errors import ReportError, UsageError

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
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ReportError(
            f"--out {out}: the folder {out.parent} cannot be written: {error.strerror}; choose"
            " another path"
        ) from error
    try:
        fresh.chmod(0o755)
        yield fresh
        (fresh / MARKER).write_text("Written by sat-zoo leaderboard build, which replaces it.\n")
        _swap(fresh, out)
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
    old = _free(out.with_name(f".{out.name}.old" if is_ours else f"{out.name}.replaced"))
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
