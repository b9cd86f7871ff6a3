"""The Reports that tables are made of, and the files that cannot be used, each with its reason.

A file is used if it is a Report, if that Report can be what it says, and if no better or newer one
is of the same run. Its own totals are checked as it is read, by `eval.report`; here, what it says
of others.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.files.border import border, plain
from eval.files.paths import AnyPath, path_of
from eval.report.report import Report
from leaderboard.checking import check
from leaderboard.columns import column
from leaderboard.drawn import n_settled
from leaderboard.folders import RESULTS, result_folders
from leaderboard.origins import Whose, origin_of
from leaderboard.places import same_eps

__all__ = [
    "RESULTS",
    "Refused",
    "Results",
    "StoredReport",
    "read_report",
    "read_results",
    "run_key",
]


@dataclass(frozen=True)
class StoredReport:
    """A report and the file that it came from."""

    path: Path
    report: Report

    @property
    def column(self) -> str:
        """Its column in tables."""
        return column(self.report)

    @cached_property
    def origin(self) -> Whose:
        """Who measured it."""
        return origin_of(self.report, self.path)


@dataclass(frozen=True)
class Refused:
    """A file among the results that is no usable Report, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Results:
    """What was found: one report a run, and what was refused."""

    stored: tuple[StoredReport, ...]
    refused: tuple[Refused, ...]


def read_report(path: AnyPath) -> Report:
    """Read a report and check that it can be true.

    Raises `ReportError`.
    """
    path = path_of(path, "path")
    report = Report.read(path)
    try:
        with border("it", ReportError, "write it again with sat-zoo eval"):
            check(report)
    except ReportError as error:
        raise ReportError(f"report {plain(str(path))}: {error}") from error
    return report


def read_results(results: AnyPath | Sequence[AnyPath] | None = None) -> Results:
    """Every report in these folders (their *.json) and files; None: in `result_folders()`.

    Of several reports of one run the one with most images settled is used, so that an exact one
    wins over every estimate; of equal ones, the package's, else the newest. A copy is no second
    report. What cannot be used is named with its reason and does not stop the rest. Raises
    `UsageError` for a path that does not exist.
    """
    stored: dict[str, StoredReport] = {}
    refused: list[Refused] = []
    for path in _files(result_folders() if results is None else results):
        try:
            new = StoredReport(path, read_report(path))
        except ReportError as error:
            refused.append(Refused(path, str(error)))
            continue
        run = run_key(new.report)
        old = stored.get(run)
        if old is None or _precedence(new) > _precedence(old):
            stored[run] = new
        if old is not None and old.report != new.report:
            kept = stored[run]
            other = old if kept is new else new
            refused.append(
                Refused(
                    other.path,
                    f"report {plain(str(other.path))} is of the same run as"
                    f" {plain(str(kept.path))}{_why_less(other.report, kept.report)}",
                )
            )
    return Results(tuple(stored.values()), tuple(refused))


def _precedence(one: StoredReport) -> tuple[int, bool, str]:
    return n_settled(one.report), one.path.parent == RESULTS, one.report.created


def _why_less(other: Report, kept: Report) -> str:
    n_more = n_settled(kept) - n_settled(other)
    return f", which has {n_more} more images settled" if n_more else ""


def run_key(report: Report) -> str:
    """What makes a run: weights, images, threat, protocol, engine and seed; a sha256.

    Two reports of one run differ in nothing but when and where they were made, and in how many
    images were settled when they ended.
    """
    parts = (
        report.model.name,
        report.model.weights_sha256,
        report.data.name,
        report.data.split,
        report.data.ids_sha256,
        report.data.pixels_sha256,
        report.threat.norm,
        same_eps(report.threat.eps_text),
        report.protocol.model_dump_json(exclude={"fingerprint"}),  # it follows from the rest
        report.engine.name,
        report.engine.precision,
        report.seed,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _files(results: AnyPath | Sequence[AnyPath]) -> list[Path]:
    files: dict[Path, Path] = {}
    given = [results] if isinstance(results, str | os.PathLike) else results
    for place in [path_of(one, "results") for one in given]:
        shown = plain(str(place))
        if not os.path.lexists(place):
            raise UsageError(f"results {shown} do not exist: name a folder of reports or a report")
        with border(f"results {shown}", ReportError, "name a folder that can be read"):
            for path in _reports_in(place) if place.is_dir() else [place]:
                files.setdefault(Path(os.path.realpath(path)), path)
    return list(files.values())


def _reports_in(folder: Path) -> list[Path]:
    # Not `glob`, which takes a folder that cannot be read for an empty one.
    return sorted(path for path in folder.iterdir() if path.name.endswith(".json"))
