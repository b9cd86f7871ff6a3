"""The files of an export, whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eval.errors import ReportError
from eval.files.paths import AnyPath, path_of
from eval.files.writing import write_atomically
from leaderboard.boards import Leaderboard
from leaderboard.export.as_csv import to_csv
from leaderboard.export.as_json import to_json
from leaderboard.export.as_latex import to_latex
from leaderboard.export.as_markdown import to_markdown


def write_all(whole: Leaderboard, out: AnyPath) -> tuple[Path, ...]:
    """Write leaderboard.md, .csv, .json and .tex into the folder `out`, made if it is not there.

    Raises `ReportError` if the folder cannot be made or a file not be written.
    """
    out = path_of(out, "out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"--out {out} cannot be made: {error.strerror}; choose another folder"
        ) from error
    formats: dict[str, Callable[[Leaderboard], str]] = {
        "md": to_markdown,
        "csv": to_csv,
        "json": to_json,
        "tex": to_latex,
    }
    paths = []
    for suffix, render in formats.items():
        path = out / f"leaderboard.{suffix}"
        write_atomically(path, render(whole).encode())
        paths.append(path)
    return tuple(paths)
