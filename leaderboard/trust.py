"""Whether a Report can be what it says. Its own totals were checked when it was read."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.protocols import protocol, without_fallback
from eval.report import Report
from leaderboard.places import FULL, official_ids
from zoo.cards import ModelCard
from zoo.registry import FAMILIES, card, list_models

_TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_TORCH_NAMES |= {"I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool"}


def check(report: Report) -> None:
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


def known_card(name: str) -> ModelCard | None:
    """The card of a model of the zoo, None for a stranger's."""
    return card(name) if name in list_models() else None


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


def bundled_digest(info: ModelCard) -> str | None:
    """What `eval.digest.weights_sha256` says of a bundled model, read without torch."""
    if info.bundled is None:
        return None
    return _digest(FAMILIES / info.family / info.bundled.file, info.bundled.sha256)


@cache
def _digest(path: Path, sha256: str) -> str:
    """The digest of a safetensors file: of each tensor its name, dtype, shape and bytes, by name.

    The names are those of `zoo.model.ZooModel`, which keeps the network under "net".
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ReportError(f"{path} is not the file that its card names: reinstall sat-zoo")
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:start])
    digest = hashlib.sha256()
    for name in sorted(tensors.keys() - {"__metadata__"}):
        part = tensors[name]
        dtype, shape = _TORCH_NAMES[part["dtype"]], tuple(part["shape"])
        digest.update(f"net.{name} torch.{dtype} {shape}\n".encode())
        low, high = part["data_offsets"]
        digest.update(content[start + low : start + high])
    return digest.hexdigest()
