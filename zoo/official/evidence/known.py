"""Whether a conversion is the one that others made: the same files, the same weights, same answers.

`known.json` beside this file holds what maintainers found when they converted the real files; the
store holds what this machine found before. No torch here.

    python -m zoo.official.evidence.known NAME ...     # writes what the store knows of NAME there
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.errors import SatZooError, WeightsMismatch
from eval.files.writing import write_atomically
from zoo.cards import ModelCard
from zoo.weights.store import Store

PACKAGED = Path(__file__).with_name("known.json")
RELEASE = "official TensorFlow checkpoint"
"""What the provenance of weights that were converted here says is their source."""

_KEPT = ("files", "sha256", "golden", "channel_order", "moving_averages", "created", "written_by")
_TOLERANCE = 1e-3  # of the logits' spread: kernels differ by 1e-6, other weights by about 1


def known(name: str) -> Mapping[str, Any] | None:
    """What the package knows of the official files of `name`, None if nobody wrote it down."""
    found: Mapping[str, Any] | None = json.loads(PACKAGED.read_text("utf-8")).get(name)
    return found


def check_sources(card: ModelCard, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `WeightsMismatch` if the package knows other files as the release of `card`."""
    earlier = known(card.name)
    said = _other_files(earlier["files"], files) if earlier else ""
    if said:
        raise WeightsMismatch(
            f"{card.name}: {said}, which sat-zoo knows as the release: the authors replaced it, or"
            " somebody else did; see what changed, then take it all the same with: sat-zoo import"
            f" {card.name} --checkpoint PREFIX"
        )


def differences(name: str, now: Mapping[str, Any], store: Store) -> list[str]:
    """In what a conversion differs from what the package knows, and from what the store has."""
    stored = store.find(name)
    earlier = {"the one sat-zoo knows": known(name)}
    if stored is not None and "golden" in stored.provenance:
        earlier["the one in the store before"] = stored.provenance
    return [
        f"{said} ({whose})"
        for whose, then in earlier.items()
        if then is not None
        for said in (_other_files(then["files"], now["files"]), _other_answers(then, now))
        if said
    ]


def _other_files(
    then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> str:
    for name, facts in now.items():
        was = then.get(name)
        if was is not None and was["sha256"] != facts["sha256"]:
            return (
                f"{name} has sha256 {facts['sha256'][:12]} and"
                f" {facts['size_bytes']:,} bytes, not {was['sha256'][:12]} and"
                f" {was['size_bytes']:,}"
            )
    return ""


def _other_answers(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How the logits differ, where the same files were read in the same way."""
    same = all(then[key] == now[key] for key in ("channel_order", "moving_averages"))
    if not same or _other_files(then["files"], now["files"]):
        return ""
    was, found = then["golden"], now["golden"]
    if was["images"] != found["images"]:
        return ""
    pairs = [
        (a, b, std)
        for row, other, std in zip(
            was["first_logits"], found["first_logits"], was["std"], strict=True
        )
        for a, b in zip(row, other, strict=True)
    ]
    worst = max(abs(a - b) / std if std else abs(a - b) for a, b, std in pairs)
    if worst <= _TOLERANCE:
        return ""
    return (
        f"the same files answer otherwise on the fixed images, by {worst:.1g} of the logits'"
        f" spread (torch {found['torch']}, before {was['torch']})"
    )


def write_down(names: list[str], path: Path = PACKAGED, store: Store | None = None) -> None:
    """Copy what the store knows of `names` into a file of known releases.

    Raises `SatZooError` for a model that was not imported from an official checkpoint.
    """
    content = json.loads(path.read_text("utf-8"))
    for name in names:
        stored = (store or Store()).find(name)
        if stored is None or "golden" not in stored.provenance:
            raise SatZooError(
                f"{name} is not in the store: fetch it first with: sat-zoo pull {name}"
            )
        content[name] = {key: stored.provenance[key] for key in _KEPT}
    ordered = {name: content[name] for name in sorted(content)}
    write_atomically(path, (json.dumps(ordered, indent=2) + "\n").encode())


if __name__ == "__main__":
    write_down(sys.argv[1:])
