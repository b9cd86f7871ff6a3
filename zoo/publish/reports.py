"""Which Reports belong to the weights that are published. No torch here."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from eval.errors import UsageError
from eval.files.home import own_results
from eval.report.report import Report


@dataclass(frozen=True)
class Result:
    """A Report and the very bytes of its file."""

    file: str
    content: bytes
    report: Report


def results_in(folder: Path | None = None) -> tuple[Result, ...]:
    """Every Report in `folder`; by default those of the installed leaderboard and the user's own.

    Raises `UsageError` if `folder` is none, and where the two have different ones of one name;
    `ReportError` for a file that is no valid Report: a page that silently lacks a number would look
    like a model without one.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--results {folder} is not a folder: name the one that holds the Reports")
    folders = [committed(), own_results()] if folder is None else [folder]
    found: dict[str, Result] = {}
    for place in filter(None, folders):
        for path in sorted(place.glob("*.json")):
            new = Result(path.name, path.read_bytes(), Report.read(path))
            if found.setdefault(path.name, new).content != new.content:
                raise UsageError(
                    f"{path} has the name of a Report of the package: give it another name"
                )
    return tuple(found.values())


def committed() -> Path | None:
    """The leaderboard is found, not imported: the zoo must not depend on it."""
    found = importlib.util.find_spec("leaderboard")
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "results"
        if folder.is_dir():
            return folder
    return None


def results_of(results: tuple[Result, ...], name: str, weights_sha256: str) -> tuple[Result, ...]:
    """The Reports of the model `name` with these weights, in the order of a page.

    weights_sha256: of the tensors, as `eval.definition.weights_sha256` has it, not of the file.
    """
    mine = [
        result
        for result in results
        if result.report.model.name == name and result.report.model.weights_sha256 == weights_sha256
    ]
    return tuple(sorted(mine, key=_place))


def _place(result: Result) -> tuple[str, str, bool, str, str, str]:
    report = result.report
    is_attacked = bool(report.stages)
    return (
        report.data.name,
        report.data.split,
        is_attacked,
        report.protocol.name,
        report.engine.name,
        result.file,
    )
