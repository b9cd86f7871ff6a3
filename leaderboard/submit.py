"""A new report among the results: checked, named, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.errors import ReportError
from eval.files.paths import AnyPath, path_of
from eval.report.report import OPEN, Report
from leaderboard.columns import column
from leaderboard.drawn import n_settled
from leaderboard.folders import RESULTS, own_results
from leaderboard.lists import keep, kept_in, list_in
from leaderboard.places import Subset, slug, subset_of_report
from leaderboard.results import read_report, run_key


@dataclass(frozen=True)
class Added:
    """Where the report lies now, and which reports of the same run it replaced.

    left_out: why files of the folder could not be compared with it. images: what tables call the
    images that it is of.
    """

    path: Path
    report: Report
    replaced: tuple[Path, ...]
    left_out: tuple[str, ...] = ()
    images: Subset | None = None


def canonical_name(report: Report) -> str:
    """The file name of a report: model, attack, and the digest of the run, which keeps it apart."""
    name = report.model.name
    # A name of the zoo stands as it is; a stranger's may hold anything.
    shown = name if slug(name) == name else slug(name)
    return f"{shown}.{slug(column(report))}.{run_key(report)[:8]}.json"


def add(
    path: AnyPath,
    results: AnyPath | None = None,
    *,
    force: bool = False,
    ids: AnyPath | None = None,
) -> Added:
    """Check the report in `path` and store it in the folder `results`.

    Args:
        path: a report, as `sat-zoo eval --out` writes it.
        results: a folder; made if it is not there. None: the user's own, which is read together
            with the package's, so that a run that the package has cannot be added to it.
        force: replace reports of the same run. An estimate is replaced without it by a report with
            more images settled, and an exact report is never replaced by an estimate.
        ids: the list of ids that the run was given. It must name the report's images, and from then
            on tables call them by its name; so it may be given for a report that is there already.

    Raises:
        ReportError: a report that cannot be true, another of the same run without `force`, an
            exact one of the same run where this is an estimate, one of the same run that comes with
            the package, a folder that cannot be written; `ids` that are those of other images.
        UsageError: `ids` that cannot be read or name nothing.

    """
    path, results = path_of(path, "path"), path_of(results, "results")
    report = read_report(path)
    named = list_in(path_of(ids, "ids"), report) if ids is not None else None
    if results is None:
        _check_is_new(path, report)
        results = own_results()
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"--results {results} cannot be made: {error.strerror}; choose another folder"
        ) from error
    if named is not None:
        keep(named, results)
    images = subset_of_report(report, kept_in([results]).lists)
    same, left_out = same_run(report, results)
    there = next((old for old, other in same.items() if other == report), None)
    if named is not None and there is not None:
        return Added(there, report, (), tuple(left_out), images)
    if path.resolve() in {found.resolve() for found in same}:
        raise ReportError(f"report {path} is among the results already")
    _check_replaces(path, report, same, force=force)
    target = results / canonical_name(report)
    report.write(target)
    for old in same:
        if old != target:
            old.unlink(missing_ok=True)
    return Added(target, report, tuple(same), tuple(left_out), images)


def _check_is_new(path: Path, report: Report) -> None:
    """Raise `ReportError` where the package has a report of the same run, with as much settled."""
    for bundled, other in same_run(report, RESULTS)[0].items():
        if n_settled(report) <= n_settled(other):
            raise ReportError(
                f"report {path} is of the same run as {bundled.stem}, which comes with the package"
                f" and stays: compare the two with sat-zoo compare {path} {bundled.stem}"
            )


def _check_replaces(
    path: Path, report: Report, same: Mapping[Path, Report], *, force: bool
) -> None:
    """Raise `ReportError` where `report` may not stand in the place of those of the same run."""
    for old, other in same.items():
        if report.estimate is not None and other.estimate is None:
            raise ReportError(
                f"report {path} is an estimate, {report.images.verdicts.count(OPEN)} of its images"
                f" are open, and {old} is exact and of the same run: that one stays"
            )
        is_better = other.estimate is not None and n_settled(report) > n_settled(other)
        if not (force or is_better):
            raise ReportError(
                f"report {path} is of the same run as {old}, made {other.created}: to replace that"
                " one, add --force"
            )


def same_run(report: Report, results: Path) -> tuple[dict[Path, Report], list[str]]:
    """The reports in the folder of the same run, and why files in it are no reports."""
    run, found, left_out = run_key(report), dict[Path, Report](), list[str]()
    for path in sorted(results.glob("*.json")):
        try:
            other = Report.read(path)
        except ReportError as error:
            left_out.append(str(error))
            continue
        if run_key(other) == run:
            found[path] = other
    return found, left_out
