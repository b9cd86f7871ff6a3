"""The Reports that tables are made of, and the files that cannot be used, each with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.report import Report
from leaderboard.columns import column
from leaderboard.places import same_eps
from leaderboard.trust import check

RESULTS = Path(__file__).parent / "results"
"""The Reports that come with the package."""


@dataclass(frozen=True)
class StoredReport:
    """A report and the file that it came from."""

    path: Path
    report: Report

    @property
    def column(self) -> str:
        """Its column in tables."""
        return column(self.report)


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


def read_report(path: Path) -> Report:
    """Read a report and check that it can be true.

    Raises `ReportError`.
    """
    report = Report.read(path)
    try:
        check(report)
    except ReportError as error:
        raise ReportError(f"report {path}: {error}") from error
    return report


def read_results(results: Sequence[Path] = (RESULTS,)) -> Results:
    """Every report in these folders (their *.json) and files.

    Of several reports of one run the newest is used. What cannot be used is named with its reason
    and does not stop the rest. Raises `UsageError` for a path that does not exist.
    """
    stored: dict[str, StoredReport] = {}
    refused: list[Refused] = []
    for path in _files(results):
        try:
            new = StoredReport(path, read_report(path))
        except ReportError as error:
            refused.append(Refused(path, str(error)))
            continue
        run = run_key(new.report)
        old = stored.get(run)
        if old is None or new.report.created > old.report.created:
            stored[run] = new
        if old is not None:
            kept = stored[run]
            other = old if kept is new else new
            refused.append(
                Refused(other.path, f"report {other.path} is of the same run as {kept.path}")
            )
    return Results(tuple(stored.values()), tuple(refused))


def run_key(report: Report) -> str:
    """What makes a run: weights, images, threat, protocol, engine and seed; a sha256.

    Two reports of one run differ in nothing but when and where they were made.
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
        report.protocol.model_dump_json(),
        report.engine.name,
        report.engine.precision,
        report.seed,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _files(results: Sequence[Path]) -> list[Path]:
    files: dict[Path, Path] = {}
    for place in results:
        if not place.exists():
            raise UsageError(f"results {place} do not exist: name a folder of reports or a report")
        for path in sorted(place.glob("*.json")) if place.is_dir() else [place]:
            files.setdefault(path.resolve(), path)
    return list(files.values())
