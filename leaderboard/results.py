"""The Reports that tables are made of, and the files that cannot be used, each with its reason.

A file is used if it is a Report, if that Report can be what it says, and if no newer one is of the
same run. Its own totals are checked as it is read, by `eval.report`; here, what it says of others.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.protocols import protocol, without_fallback
from eval.report.report import Report
from leaderboard.bundled import bundled_digest, known_card
from leaderboard.columns import column
from leaderboard.places import FULL, official_ids, same_eps

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
        _check(report)
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


def _check(report: Report) -> None:
    """Refuse what cannot be.

    Raises `ReportError` with the reason, without the file's name: a protocol or stages that we do
    not know, images that are not those of the data set, a model that is not that of its card.
    """
    _check_protocol(report)
    _check_images(report)
    _check_model(report)
    seconds = [report.seconds, *(stage.seconds for stage in report.stages)]
    if not all(math.isfinite(value) and value >= 0 for value in seconds):
        raise ReportError("a number of seconds in it is negative or no number")


def _check_protocol(report: Report) -> None:
    stages = report.protocol.stages
    step_size = stages[0].step_size if stages and stages[0].attack == "pgd" else None
    try:
        wanted = protocol(report.protocol.name, step_size=step_size)
    except UsageError as error:
        raise ReportError(f"its protocol is unknown: {error}") from error
    # Made before gradients that vanish had a fallback: where none vanished, the same attack to the
    # bit. In L2 the step itself could vanish then, unseen, so those numbers are none.
    known = (wanted.stages, without_fallback(wanted.stages))
    if stages == known[1] != known[0] and report.threat.norm == "L2":
        raise ReportError(
            f"its steps of {report.protocol.name!r} in L2 were made when small gradients counted as"
            " none: evaluate again"
        )
    if wanted.name != report.protocol.name or stages not in known:
        raise ReportError(
            f"its stages are not those of protocol {report.protocol.name!r}, so its number is of"
            " another attack: give that one its own name and version"
        )


def _check_images(report: Report) -> None:
    data, images, classes = report.data, report.images, report.model.classes
    n_whole = FULL.get(data.name)
    if n_whole is not None and data.split in {"test", "val"} and data.n > n_whole:
        raise ReportError(f"data.n is {data.n}, but {data.name} has {n_whole} images")
    if wrong := [label for label in images.labels if not 0 <= label < classes]:
        raise ReportError(f"label {wrong[0]} is not one of the model's {classes} classes")
    if data.official_subset:
        official = official_ids(data.name, data.n)
        if official is not None and list(images.ids) != list(official):
            raise ReportError(
                f"data.official_subset is true, but the ids are not those of the first {data.n}"
                f" images of {data.name}"
            )


def _check_model(report: Report) -> None:
    info, model = known_card(report.model.name), report.model
    if info is None:
        if model.source == "bundled":
            raise ReportError(f"no weights are bundled with a model named {model.name!r}")
        return
    facts = (
        ("parameters", model.parameters, info.parameters),
        ("classes", model.classes, info.classes),
    )
    for what, found, wanted in facts:
        if found != wanted:
            raise ReportError(
                f"model.{what} is {found}, but the card of {info.name} says {wanted}: a model of"
                " the zoo was not what ran"
            )
    if model.source != "bundled":
        return
    digest = bundled_digest(info)
    if model.weights_sha256 != digest:
        raise ReportError(
            f"model.weights_sha256 is {model.weights_sha256[:12]}, but the weights bundled with"
            f" {info.name} have {str(digest)[:12]}: those are not what ran"
        )
