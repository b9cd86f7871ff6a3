"""Which weight file a model uses: one order of search. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import UsageError, WeightsUnavailable
from zoo.registry import FAMILIES
from zoo.store import Store

if TYPE_CHECKING:
    from eval.evaluation import Source
    from zoo.cards import ModelCard

REPAIR = {"bundled": "reinstall sat-zoo", "store": "import it again with sat-zoo import"}


@dataclass(frozen=True)
class Found:
    """A weight file and why it was taken."""

    path: Path
    source: Source
    sha256: str | None  # what the bytes must hash to; None if nobody promised anything


def find_weights(info: ModelCard, weights: str | Path | None = None) -> Found:
    """The weight file to use: the given one, else bundled, else imported into the local store.

    Raises `WeightsUnavailable` if there is none, `UsageError` if `weights` is no file.
    """
    if weights is not None:
        path = Path(weights)
        if not path.is_file():
            raise UsageError(f"--weights {path} is not a file: name a safetensors file")
        return Found(path, "file", None)
    if info.bundled is not None:
        return Found(FAMILIES / info.family / info.bundled.file, "bundled", info.bundled.sha256)
    stored = Store().find(info.name)
    if stored is not None:
        return Found(stored.path, "store", stored.sha256)
    official = (
        f" import the official release with: sat-zoo import {info.name} --download,"
        if (info.official)
        else ""
    )
    raise WeightsUnavailable(
        f"the weights of {info.name!r} are not on this machine and are not published yet:{official}"
        " pass --weights FILE.safetensors, or use a bundled model such as resnet8-silu-sat-digits"
    )
