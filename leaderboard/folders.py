"""Where Reports lie: those of the package and the user's own. Light: some only want names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.files.home import own_results

__all__ = ["RESULTS", "by_name", "own_results", "result_folders"]

RESULTS = Path(__file__).parent / "results"
"""The Reports that come with the package."""


def result_folders(more: Sequence[Path] = (), *, only: bool = False) -> tuple[Path, ...]:
    """Where Reports are read from: the package's, the user's own, and `more`; or `more` only.

    A name or a run that two of them have is the earlier one's, see `by_name` and `read_results`.
    """
    if only:
        return tuple(more)
    own = own_results()
    return (RESULTS, *((own,) if own.is_dir() else ()), *more)


def by_name() -> dict[str, tuple[Path, ...]]:
    """The names by which commands know stored Reports, and the files: the package's come first.

    The user's own of a name that the package has too stands beside it, never in its place.
    """
    named: dict[str, tuple[Path, ...]] = {}
    for folder in result_folders():
        for path in sorted(folder.glob("*.json")):
            named[path.stem] = (*named.get(path.stem, ()), path)
    return named
