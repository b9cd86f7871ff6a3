"""Whether a file may be added to the Reports of the package: what a maintainer would look at.

All that readers check, and what concerns nobody but those who read the file in public: its name,
its run, and that it tells nothing of somebody's machine.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from eval.errors import ReportError
from eval.files.border import is_file, plain
from eval.files.paths import AnyPath, path_of
from eval.report.flag_codes import FLAGS
from eval.report.report import Report
from leaderboard.folders import RESULTS
from leaderboard.origins import content_digest, indexed
from leaderboard.results import StoredReport, read_report, run_key
from leaderboard.submit import canonical_name

_PLACE = re.compile(r"""(?:^|[\s="'(,:])((?:~|/(?!/)|[A-Za-z]:[\\/]|\\\\|file:)[^\s"']+)""")
"""A place on one machine: it begins at a root, a drive, another host, or somebody's home."""

_HOME = re.compile(r"(/(?:home|Users)/[^/\s]+)")

_SECRET = re.compile(
    r"\b(?:hf_|gh[pousr]_|sk-|AKIA)[A-Za-z0-9_-]{12,}"
    r"|(?i:\b(?:token|password|secret|api-?key))[ =:]"
)

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b")

_FOLDER = RESULTS.parts[-2:]
"""Where Reports lie in any checkout: leaderboard/results."""

MOST_ALIKE = 100
"""Images of which no two models have one verdict each, unless one Report was copied."""


@dataclass(frozen=True)
class Checked:
    """A file, and why it cannot be added; "" where it can. report: None where it is none."""

    path: Path
    reason: str
    report: Report | None = None

    @property
    def is_good(self) -> bool:
        """Whether it can be added."""
        return not self.reason


def check_files(paths: Sequence[AnyPath]) -> list[Checked]:
    """Each of the files, in their order, seen beside one another and the package's Reports."""
    files = [path_of(path, "paths") for path in paths]
    others = _Others(files)
    return [_checked(path, others) for path in files]


class _Others:
    """The Reports that a file must not repeat: of the package, and of the files given with it."""

    def __init__(self, given: Iterable[Path]) -> None:
        package = {one.path.resolve(): one for one in _reports(sorted(RESULTS.glob("*.json")))}
        self._found = package | {one.path.resolve(): one for one in _reports(given)}

    def besides(self, path: Path) -> list[StoredReport]:
        """All but the file itself."""
        return [one for place, one in self._found.items() if place != path.resolve()]

    @cached_property
    def runs(self) -> dict[str, list[StoredReport]]:
        """By what makes a run."""
        found = defaultdict[str, list[StoredReport]](list)
        for one in self._found.values():
            found[run_key(one.report)].append(one)
        return found

    def of_run(self, report: Report, path: Path) -> list[StoredReport]:
        """Those of the same run, but for the file itself, also where another checkout has it."""
        same = self.runs.get(run_key(report), [])
        others = [one for one in same if one.path.resolve() != path.resolve()]
        return [one for one in others if (one.path.name, one.report) != (path.name, report)]


def _reports(paths: Iterable[Path]) -> Iterator[StoredReport]:
    for path in paths:
        try:
            one = _read(path, path.stat().st_mtime_ns if is_file(path) else 0)
        except ReportError:
            continue  # whoever gives it is told, and with the others nothing is wrong
        yield one


@lru_cache(maxsize=500)
def _read(path: Path, _changed_ns: int) -> StoredReport:
    return StoredReport(path, read_report(path))


def _checked(path: Path, others: _Others) -> Checked:
    shown = f"report {plain(str(path))}"
    if path.is_symlink():
        return Checked(path, f"{shown} is a link to another file: give the file itself")
    try:
        report = read_report(path)
    except ReportError as error:
        return Checked(path, str(error))
    if fault := next(_faults(path, report, others), ""):
        return Checked(path, f"{shown}: {fault}", report)
    return Checked(path, "", report)


def _faults(path: Path, report: Report, others: _Others) -> Iterator[str]:
    wanted = canonical_name(report)
    # Elsewhere it still waits for `leaderboard add`, which gives it the name.
    is_there = path.resolve().parent.parts[-2:] == _FOLDER
    is_known = path.name == wanted or indexed()["project"].get(path.name) == content_digest(report)
    if is_there and not is_known:
        yield f"its name is not that of its run: call it {wanted}"
    for one in others.of_run(report, path):
        yield (
            f"it is of the same run as {plain(one.path.name)}, which is there already: keep one of"
            " them"
        )
    for code in (flag.code for flag in report.flags if flag.code not in FLAGS):
        yield f"no reader knows the flag {code!r}: take the newest sat-zoo, and evaluate again"
    for where, text in _texts(report):
        if why := _private(text):
            yield f"{where} holds {why}: take it out of the file, no number depends on it"
    for one in others.besides(path):
        if _is_copied(report, one.report):
            yield (
                f"each of its {report.data.n} images has the verdict of {plain(one.path.name)},"
                " which is of other weights: no two models have that"
            )


def _texts(report: Report) -> Iterator[tuple[str, str]]:
    """Whatever people wrote, or their machine, and where."""
    yield "command", report.command
    for flag in report.flags:
        yield f"the detail of flag {flag.code}", flag.detail
    yield "model.name", report.model.name
    yield "data.name", report.data.name
    yield "engine.device", report.engine.device
    for image_id in report.images.ids:
        yield "images.ids", image_id


def _private(text: str) -> str:
    """What in a text is nobody else's business, in words; "" where there is nothing."""
    if _SECRET.search(text):
        return "what looks like a password or a token (which is not repeated here)"
    if found := _PLACE.search(text) or _HOME.search(text):
        return f"'{plain(found[1], 60)}', a place on somebody's machine"
    return "an address of mail" if _MAIL.search(text) else ""


def _is_copied(one: Report, other: Report) -> bool:
    """Whether one was made from the other: much broke, much stood, and all of it is the same."""
    if one.model.weights_sha256 == other.model.weights_sha256 or one.data.n < MOST_ALIKE:
        return False
    is_varied = len({*one.images.verdicts}) > 2
    return is_varied and one.images == other.images and one.threat == other.threat
