"""Everything that a repository on the Hub will hold, gathered before anything is sent."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import UsageError, WeightsMismatch, WeightsUnavailable
from zoo.hub.name import is_repo_name
from zoo.hub.pins import pin_of
from zoo.publish import model_card, timm_config
from zoo.publish.eval_results import result_files
from zoo.publish.reports import Result, results_of
from zoo.registry import FAMILIES, card, metrics_file
from zoo.weights.beside import GOLDEN, golden_beside
from zoo.weights.file import Found, read
from zoo.weights.find import find_weights, local_weights, not_here
from zoo.weights.store import Store

if TYPE_CHECKING:
    from zoo.cards import ModelCard
    from zoo.weights.file import WeightFile

WEIGHTS = "model.safetensors"
REPORTS = "reports"
RECIPE, METRICS = "recipe.yaml", "metrics.jsonl"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class File:
    """One file of the repository: the very bytes that were measured, and looked at, are sent."""

    path: str
    content: bytes = field(repr=False)
    size: int
    sha256: str

    @classmethod
    def of(cls, path: str, content: Path | bytes) -> File:
        """The file `path` of the repository, measured; a file on disk is read once, now."""
        content = content if isinstance(content, bytes) else content.read_bytes()
        return cls(path, content, len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Package:
    """What is published under `repo` ("OWNER/NAME"); the first file is the weights."""

    name: str
    repo: str
    files: tuple[File, ...]

    @property
    def weights(self) -> File:
        """`model.safetensors`."""
        return self.files[0]

    def text(self, path: str) -> str:
        """The text of the file `path`."""
        return next(file.content for file in self.files if file.path == path).decode()


def repo_of(namespace: str, name: str) -> str:
    """`NAMESPACE/NAME`.

    Raises `UsageError` for a namespace that the Hub cannot have.
    """
    repo = f"{namespace}/{name}"
    if not is_repo_name(repo):
        raise UsageError(
            f"--namespace {namespace!r} cannot be one: give your user name or organisation on the"
            " Hub, letters, digits and single . _ - inside"
        )
    return repo


def weights_here(info: ModelCard, weights: Path | None = None) -> Found:
    """The weight file to publish: the given one, or one on this machine; nobody is asked for it.

    Raises `WeightsUnavailable` if there is none, `UsageError` if `weights` is no file.
    """
    if weights is not None:
        return find_weights(info, weights)
    found = local_weights(info)
    if found is not None:
        return found
    pin = pin_of(info.name)
    if pin is None:
        raise WeightsUnavailable(not_here(info))
    raise WeightsUnavailable(
        f"the weights of {info.name!r} are published already, at {pin.repo}, and not on this"
        f" machine: fetch them with: sat-zoo pull {info.name}"
    )


def prepare(
    name: str,
    namespace: str,
    *,
    weights: Path | None = None,
    results: tuple[Result, ...] = (),
    license_id: str | None = None,
) -> Package:
    """Gather what is published of the model `name`; sends nothing, writes nothing.

    The weights are read once: a file that does not fit the card is never published, Reports are
    chosen by the digest of its tensors, and what is sent are the bytes that these were parsed from.

    Raises what `zoo.load` raises, and `SatZooError` if timm does not compute what config.json says.
    """
    from eval.definition import weights_sha256
    from zoo.golden.file import read_golden
    from zoo.golden.record import record
    from zoo.loading import from_weights

    info, repo = card(name), repo_of(namespace, name)
    _check_license(license_id)
    found = weights_here(info, weights)
    file = _promised(info, found)
    blob = File.of(WEIGHTS, file.content)
    model = from_weights(info, file.weights(), found.source)
    said = timm_config.config(
        info, {"file": WEIGHTS, "sha256": blob.sha256, "size_bytes": blob.size}
    )
    if "architecture" in said:
        timm_config.prove(said, model)
    mine = results_of(results, name, weights_sha256(model))
    page = model_card.Page(
        info=info,
        repo=repo,
        sha256=blob.sha256,
        size=blob.size,
        origin=_origin(info, found, blob.sha256),
        license_id=license_id or _own_license(info, blob.sha256),
        results=mine,
        pretrained_cfg=said.get("pretrained_cfg"),
    )
    made = (
        File.of("config.json", _json(said)),
        File.of("README.md", model_card.render(page).encode()),
        File.of("card.json", _json(info.model_dump(mode="json"))),
    )
    # Weights that came without golden logits get them here, where they were just loaded.
    golden = read_golden(golden_beside(found.path), blob.sha256) or record(model, blob.sha256)
    kept = File.of(GOLDEN, golden.to_bytes())
    return Package(
        name,
        repo,
        (blob, kept, *made, *_training(info, blob), *_reports(mine), *_evaluations(mine, repo)),
    )


def _promised(info: ModelCard, found: Found) -> WeightFile:
    try:
        return read(info.name, found)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{error}; nothing was published") from error


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _training(info: ModelCard, blob: File) -> tuple[File, ...]:
    """The recipe, and the log of the training that made these very weights."""
    files = [] if info.recipe is None else [(RECIPE, FAMILIES / info.family / info.recipe)]
    if _is_bundled(info, blob.sha256) and metrics_file(info).exists():
        files.append((METRICS, metrics_file(info)))
    return tuple(File.of(name, path.read_bytes()) for name, path in files)


def _is_bundled(info: ModelCard, sha256: str) -> bool:
    return info.bundled is not None and info.bundled.sha256 == sha256


def _reports(results: tuple[Result, ...]) -> tuple[File, ...]:
    return tuple(File.of(f"{REPORTS}/{result.file}", result.content) for result in results)


def _evaluations(results: tuple[Result, ...], repo: str) -> tuple[File, ...]:
    return tuple(File.of(path, content) for path, content in result_files(results, repo).items())


def _check_license(license_id: str | None) -> None:
    if license_id is not None and not _LICENSE.fullmatch(license_id):
        raise UsageError(
            f"--license {license_id!r} is no identifier of the Hub: use for example mit, apache-2.0"
        )


def _own_license(info: ModelCard, sha256: str) -> str | None:
    """The bundled weights are part of sat-zoo and have its license; of others we know nothing."""
    return "mit" if _is_bundled(info, sha256) else None


def _origin(info: ModelCard, found: Found, sha256: str) -> str:
    """One sentence: where the weights come from, as far as it is on record."""
    if _is_bundled(info, sha256):
        return "They are the ones bundled with sat-zoo."
    pin = pin_of(info.name) if found.source == "hub" else None
    if pin is not None:
        return f"They are those of {pin.repo} at revision {pin.revision}."
    if found.source == "store":
        stored = Store().find(info.name)
        made = stored.provenance.get("source") if stored else None
        if isinstance(made, str):
            prefix = stored.provenance.get("prefix") if stored else None
            of = f" {prefix}" if isinstance(prefix, str) else ""
            return f"They were converted by sat-zoo from: {made}{of}."
    return "Where they come from is not on record: whoever published this page gave them as a file."
