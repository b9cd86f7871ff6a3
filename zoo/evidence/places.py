"""The evidence of a model: in the package, pinned on the Hub, or in a repository. No torch here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import ReportError, WeightsUnavailable
from eval.files.border import is_file, plain, read_bytes
from eval.files.home import own_results
from eval.files.limits import limits
from eval.report.report import Report
from zoo.hub.name import Commit
from zoo.hub.pins import Pin, PinnedEvidence, pin_of
from zoo.publish.evidence import EVIDENCE
from zoo.publish.reports import committed
from zoo.registry import FAMILIES

if TYPE_CHECKING:
    from zoo.cards import ModelCard

_FILE = re.compile(rf"{EVIDENCE}/[A-Za-z0-9][\w.@+-]{{0,200}}\.safetensors", re.ASCII)
_MOST_FILES = 100


@dataclass(frozen=True)
class EvidenceFile:
    """One file of evidence on this machine. report: the Report that it should prove, if it is here.

    needs_report: whether there must be one.
    """

    path: Path
    report: Path | None
    needs_report: bool

    @property
    def name(self) -> str:
        """Of the file, for people."""
        return plain(self.path.name)


def bundled_evidence(info: ModelCard) -> tuple[EvidenceFile, ...]:
    """The evidence of a model that comes with the package."""
    found = sorted((FAMILIES / info.family / EVIDENCE).glob(f"{info.name}.*.safetensors"))
    return tuple(EvidenceFile(path, _beside(path.stem), needs_report=True) for path in found)


def pinned_evidence(name: str) -> tuple[Pin, ...]:
    """What is pinned of the evidence of the model `name`, here or not."""
    pin = pin_of(name)
    return pin.of_evidence if pin is not None else ()


def pulled_evidence(name: str) -> tuple[EvidenceFile, ...]:
    """The pinned evidence of a model, verified again.

    Raises `WeightsUnavailable` if some of it is not on this machine.
    """
    from zoo.hub import cached

    found = []
    for pin in pinned_evidence(name):
        path = cached(pin)
        if path is None:
            raise WeightsUnavailable(
                f"{pin.file} of {pin.repo}, evidence of {name}, is not on this machine: fetch it"
                f" with: sat-zoo pull {name} --evidence"
            )
        found.append(EvidenceFile(path, _beside(path.stem), needs_report=False))
    return tuple(found)


def check_size(pin: Pin) -> None:
    """Raises `ReportError` for a file that is larger than evidence may be."""
    most = limits().evidence_bytes
    if pin.size > most:
        raise ReportError(
            f"{pin.repo}: {pin.file} has {pin.size:,} bytes, more than the {most:,} allowed;"
            f" SAT_ZOO_LIMITS=evidence_bytes={pin.size} allows them"
        )


def evidence_at(repo: str, commit: str) -> tuple[PinnedEvidence, ...]:
    """What a repository has of evidence at a commit: asked for, not fetched.

    Raises as `zoo.hub.resolve`; `ReportError` for more files than a model has Reports.
    """
    from zoo.hub import resolve

    files = [file for file in _files(repo, commit) if _FILE.fullmatch(file)]
    if len(files) > _MOST_FILES:
        raise ReportError(f"{repo} has {len(files)} files of evidence, more than {_MOST_FILES}")
    pins = [resolve(repo, commit, file) for file in files]
    return tuple(PinnedEvidence(file=pin.file, sha256=pin.sha256, size=pin.size) for pin in pins)


def fetched_evidence(at: Commit) -> tuple[EvidenceFile, ...]:
    """The evidence of a repository at a commit, each with the Report of its name there."""
    from zoo.hub import fetch

    found = []
    for one in evidence_at(at.repo, at.commit):
        pin = Pin(repo=at.repo, revision=at.commit, **one.model_dump())
        check_size(pin)
        report = _fetched_report(at, Path(one.file).stem)
        found.append(EvidenceFile(fetch(pin), report, needs_report=True))
    return tuple(found)


def _fetched_report(at: Commit, stem: str) -> Path:
    from huggingface_hub import constants, hf_hub_download

    from zoo.hub.failures import Asked, explained

    file = f"reports/{stem}.json"
    asked = Asked(at.repo, at.commit, file, constants.ENDPOINT, Path(constants.HF_HUB_CACHE))
    with explained(asked):
        path = hf_hub_download(
            at.repo, file, revision=at.commit, cache_dir=asked.cache, endpoint=asked.endpoint
        )
    return Path(path)


def _files(repo: str, commit: str) -> list[str]:
    from huggingface_hub import HfApi, constants

    from zoo.hub.failures import Asked, explained

    asked = Asked(repo, commit, f"{EVIDENCE}/", constants.ENDPOINT, Path(constants.HF_HUB_CACHE))
    with explained(asked):
        api = HfApi(constants.ENDPOINT, library_name="sat-zoo")
        info = api.model_info(repo, revision=commit, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    return [one.rfilename for one in info.siblings or ()]


def _beside(stem: str) -> Path | None:
    """The Report of this name, among those of the package and the user's own."""
    places = [place / f"{stem}.json" for place in (committed(), own_results()) if place]
    return next((path for path in places if is_file(path)), None)


def check_report(piece: EvidenceFile, report: Report) -> None:
    """Raises `ReportError` unless the evidence's `report` is in every field the one beside."""
    if piece.report is None:
        if piece.needs_report:
            raise ReportError(
                f"no Report {piece.path.stem}.json is here, so that nothing says what it proves"
            )
        return
    published = Report.read(piece.report)
    if fault := _difference(report.model_dump(mode="json"), published.model_dump(mode="json")):
        raise ReportError(f"it is not evidence of {plain(piece.report.name)}: {fault}")


def _difference(found: Any, wanted: Any, where: str = "") -> str:
    """The first field in which two Reports differ, and its values; "" if none."""
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        parts: list[tuple[str, Any, Any]] = [
            (f"{where}.{key}" if where else key, found[key], wanted[key]) for key in found
        ]
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(found, wanted, strict=True))]
    elif found == wanted:
        return ""
    else:
        shown = plain(repr(found), 60), plain(repr(wanted), 60)
        return f"its own report says {where} {shown[0]}, that one {shown[1]}"
    return next(filter(None, (_difference(a, b, name) for name, a, b in parts)), "")


def content_of(piece: EvidenceFile) -> bytes:
    """Of a piece, to copy it."""
    return read_bytes(piece.path, "evidence_bytes")
