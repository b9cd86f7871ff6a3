"""What makes two sessions parts of one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from eval.files.border import plain

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.protocols import Protocol
    from eval.threat import Threat

VERSION = 4
"""Of the journal's tables; another version is another run.

1: gradients below 1e-12 were too short a step in L2, and none that vanished was counted.
2: what vanished was a count, not a fact of an image, and an image broken twice counted twice.
3: rows carried no seal, so that a changed one was believed.
"""


@dataclass(frozen=True)
class Key:
    """What must be equal for verdicts to be of the same run. Digests are SHA-256.

    definition: what the model computes besides its weights, see `eval.definition`.
    precision: as asked for; what "auto" came to stands in `Session`.
    """

    weights: str
    definition: str
    data: str
    ids: str
    labels: str
    pixels: str
    threat: str
    protocol: str
    stages: str
    seed: int
    engine: str
    precision: str
    journal_version: int = VERSION

    @classmethod
    def of(
        cls,
        *,
        weights: str,
        definition: str,
        data: ImageSet,
        threat: Threat,
        protocol: Protocol,
        seed: int,
        engine: str,
        precision: str,
    ) -> Key:
        """The key of a run, from what `evaluate` was given; reads all images once."""
        stages = json.dumps([stage.model_dump() for stage in protocol.stages], sort_keys=True)
        return cls(
            weights=weights,
            definition=definition,
            data=f"{data.name} ({data.split})",
            ids=data.ids_sha256,
            labels=_sha256(data.labels.astype("<i8").tobytes()),
            pixels=_pixels(data),
            threat=f"{threat.norm} {threat.eps_text}",
            protocol=protocol.name,
            stages=_sha256(stages.encode()),
            seed=seed,
            engine=engine,
            precision=precision,
        )

    @cached_property
    def sha256(self) -> bytes:
        """What seals the run's rows."""
        return hashlib.sha256(self.to_json().encode()).digest()

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name the run's file."""
        return self.sha256.hex()[:16]

    def to_json(self) -> str:
        """All fields, in a fixed order."""
        return json.dumps(asdict(self), sort_keys=True)

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """One phrase for each field in which the `stored` key is another, with both values."""
        return [
            f"{name}: {_short(stored.get(name))} there, {_short(value)} here"
            for name, value in asdict(self).items()
            if stored.get(name) != value
        ]


@dataclass(frozen=True)
class Session:
    """The circumstances of one process's part of a run; verdicts hold whatever they are.

    batch_size: at the beginning; it changes no verdict of the fast engine.
    """

    device: str
    precision: Literal["fp32", "bf16"]
    torch: str
    version: str
    batch_size: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.precision} on {self.device} by sat-zoo {self.version}, torch {self.torch}"


def _pixels(data: ImageSet) -> str:
    """Of the pixels to the bit: a Report's digest is of 8-bit levels, which floats may share."""
    from eval.data.arrays import ArraySource

    digest = data.pixels_sha256()
    if not isinstance(data.source, ArraySource) or data.source.images.dtype == "u1":
        return digest
    exact = hashlib.sha256(digest.encode())
    for pixels in data.source.stream(data.rows, 64):
        exact.update(pixels.tobytes())
    return exact.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else plain(str(value), 80)
