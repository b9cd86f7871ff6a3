"""Who measured what a Report says: this project, a submitter, or somebody whom nobody knows.

A file says of itself what it likes, so this is a list beside the Reports that come with the
package: `origins.json` holds the digests of those that this project made, and of those of
submitters that it ran again. Whoever adds to `results/` without being in it is a submitter; what
lies anywhere else was measured by whom we do not know, also if it was you.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from leaderboard.folders import RESULTS

if TYPE_CHECKING:
    from eval.report.report import Report

Who: TypeAlias = Literal["project", "submitter", "unknown"]

TRUSTED: tuple[Who, ...] = ("project", "submitter", "unknown")
"""All of them, in the order of their trust."""

INDEX = Path(__file__).parent / "origins.json"
"""{"project": {FILE: DIGEST}, "reran": {FILE: DIGEST}}, files of `results/`."""


class Whose(NamedTuple):
    """who: measured it. reran: this project ran it once more, and found the same verdicts."""

    who: Who
    reran: bool = False


NOBODY = Whose("unknown")


def origin_of(report: Report, path: Path) -> Whose:
    """Who measured a report that lies at `path`: a copy of one of ours is ours, changed it is not.

    A file in the package's folder is there because somebody accepted it, so its name is believed;
    that it is one of ours, only its whole content says.
    """
    known, is_here = _index(), path.parent == RESULTS
    # A digest takes as long as reading the file: only where it can be in the index.
    if not is_here and report.model.name not in known.models:
        return NOBODY
    digest = content_digest(report)
    who: Who = "submitter" if is_here else "unknown"
    return Whose("project" if digest in known.project else who, digest in known.reran)


def measured_by(who: Who, *, reran: bool = False) -> str:
    """Who measured a number, in words that may stand beside it."""
    words = {
        "project": "measured by us",
        "submitter": "measured by a submitter",
        "unknown": "measured, by whom is not known",
    }
    return words[who] + (", run again by us" if reran else "")


def content_digest(report: Report) -> str:
    """SHA-256 of all that a report says, however its file is laid out."""
    return hashlib.sha256(report.to_json().encode()).hexdigest()


def indexed() -> Mapping[str, Mapping[str, str]]:
    """The index as it is kept: by "project" and "reran", from file names to digests."""
    found: dict[str, dict[str, str]] = json.loads(INDEX.read_bytes())
    return found


class _Index(NamedTuple):
    project: frozenset[str]
    reran: frozenset[str]
    models: frozenset[str]


@cache
def _index() -> _Index:
    found = indexed()
    project, reran = found["project"], found["reran"]
    models = frozenset(name.split(".", 1)[0] for name in (*project, *reran))
    return _Index(frozenset(project.values()), frozenset(reran.values()), models)
