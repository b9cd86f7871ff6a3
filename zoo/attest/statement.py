"""What an attestation states of a Report: an in-toto Statement with SLSA's provenance in it.

The subject is the file of the Report. What it was made from stands under `resolvedDependencies`:
weight file, tensors, ids and pixels of the data, the versions of sat-zoo and torch. All of it
follows from the Report, so a reader makes the statement again and compares the two.

Source: in-toto.io/Statement/v1 and slsa.dev/provenance/v1, whose fields are used as they are named
there. `buildType` and `builder.id` are ours; the builder is whoever signs, and nobody else.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from eval.errors import ReportError
from eval.files.border import plain
from eval.files.record import parse_json
from eval.report.digest import what_images_follow_from

if TYPE_CHECKING:
    from eval.report.report import Report

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "sat-zoo:evaluation@1"
BUILDER = "sat-zoo:the-signer@1"

MOST_SHOWN = 12
"""Differences that a sentence names."""

_PARTS = {
    "subject": "the Report",
    "predicate.buildDefinition.resolvedDependencies": "",
    "predicate.buildDefinition.externalParameters": "",
    "predicate.buildDefinition.internalParameters": "",
    "predicate.runDetails.metadata": "",
}
"""Where the fields lie that people know by their last names alone."""


def statement_of(report: Report, content: bytes, *, name: str, version: str) -> dict[str, Any]:
    """The statement over a Report.

    content: the bytes of its file. name: of the file, without folders. version: of the sat-zoo that
    states it; the one that measured is in the Report.
    """
    return {
        "_type": TYPE,
        "subject": [{"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "model": report.model.name,
                    "data": f"{report.data.name} ({report.data.split})",
                    "images": report.data.n,
                    "protocol": report.protocol.id,
                    "norm": report.threat.norm,
                    "eps": report.threat.eps_text,
                    "seed": report.seed,
                },
                "internalParameters": {
                    "engine": report.engine.name,
                    "precision": report.engine.precision,
                    "device": report.engine.device,
                },
                "resolvedDependencies": _dependencies(report),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"sat-zoo": version}},
                "metadata": {
                    "invocationId": what_images_follow_from(report),
                    "finishedOn": report.created,
                },
            },
        },
    }


def _dependencies(report: Report) -> list[dict[str, Any]]:
    """As SLSA lists them. A digest that is not of a file's bytes has a name of its own."""
    model, data, engine = report.model, report.data, report.engine
    file = {"name": "weight file", "digest": {"sha256": model.file_sha256}}
    return [
        *([file] if model.file_sha256 else []),
        {"name": "weights", "digest": {"weights_sha256": model.weights_sha256}},
        {"name": "data ids", "digest": {"ids_sha256": data.ids_sha256}},
        {"name": "data pixels", "digest": {"pixels_sha256": data.pixels_sha256}},
        {"name": "sat-zoo", "uri": f"pkg:pypi/sat-zoo@{quote(engine.version)}"},
        {"name": "torch", "uri": f"pkg:pypi/torch@{quote(engine.torch)}"},
    ]


def to_bytes(statement: Mapping[str, Any]) -> bytes:
    """The text that is signed: one line, keys in order."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def read_statement(content: bytes) -> dict[str, Any]:
    """The statement in these bytes, as far as it is one of ours.

    Raises `ValueError`, for the border around it, for other text, and for other statements.
    """
    found = parse_json(content)
    if not isinstance(found, dict):
        raise ValueError("what it states is no object")
    kinds = (
        ("_type", found.get("_type"), TYPE),
        ("predicateType", found.get("predicateType"), PREDICATE),
        ("buildType", _at(found, "predicate", "buildDefinition", "buildType"), BUILD_TYPE),
    )
    for field, said, ours in kinds:
        if said != ours:
            raise ValueError(f"its {field} is {plain(repr(said), 60)}, not {ours!r}")
    if not isinstance(subject_of(found), str):
        raise ValueError("it names no Report as its one subject")
    if not isinstance(version_of(found), str):
        raise ValueError("it names no version of sat-zoo that stated it")
    return found


def subject_of(statement: Mapping[str, Any]) -> Any:
    """The name of the Report's file; None where there is not exactly one subject."""
    subject = statement.get("subject")
    return _at(subject[0], "name") if isinstance(subject, list) and len(subject) == 1 else None


def version_of(statement: Mapping[str, Any]) -> Any:
    """The version of sat-zoo that stated it."""
    return _at(statement, "predicate", "runDetails", "builder", "version", "sat-zoo")


def differences(stated: Mapping[str, Any], report: Report, content: bytes) -> list[str]:
    """What a statement says otherwise than the Report that it should be of, each in a few words."""
    wanted = statement_of(report, content, name=subject_of(stated), version=str(version_of(stated)))
    said, ours = dict(_leaves(stated)), dict(_leaves(wanted))
    found = [
        f"{_words(path)} is {_shown(said, path)}, but {_shown(ours, path)} by the Report"
        for path in sorted(said.keys() | ours.keys(), key=lambda p: (p not in ours, p))
        if repr(said.get(path)) != repr(ours.get(path))
    ]
    more = len(found) - MOST_SHOWN
    return found[:MOST_SHOWN] + ([f"and {more} more differ"] if more > 0 else [])


def report_digest(statement: Mapping[str, Any]) -> str:
    """The stated SHA-256 of the Report's file. Raises `ReportError` if there is none."""
    subject = statement["subject"][0]
    digest = _at(subject, "digest", "sha256")
    if not isinstance(digest, str):
        raise ReportError("the attestation names no sha256 of the Report: make it again")
    return digest


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of all that is no object and no list; what has a name is listed by it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        names = [_at(inner, "name") for inner in value]
        # A name that stands twice would hide one of the two.
        counts = Counter(name for name in names if isinstance(name, str))
        for i, (name, inner) in enumerate(zip(names, value, strict=True)):
            is_name = isinstance(name, str) and counts[name] == 1
            yield from _leaves(inner, f"{path}.{name if is_name else i}")
    else:
        yield path, value


def _words(path: str) -> str:
    """A field as people call it: "weights: weights_sha256"."""
    for place, word in _PARTS.items():
        if path.startswith(f"{place}."):
            rest = [part for part in path.removeprefix(f"{place}.").split(".") if part != "digest"]
            if word:
                return f"{word}: {plain(rest[-1], 60)}"
            return plain(": ".join(rest), 60)
    return plain(path, 60)


def _shown(leaves: Mapping[str, Any], path: str) -> str:
    if path not in leaves:
        return "not there"
    value = leaves[path]
    text = value if isinstance(value, str) else repr(value)
    is_digest = len(text) == 64 and text.isalnum()
    return plain(text[:12] if is_digest else text, 60)
