"""What a run remembers of earlier sessions, and what makes two sessions parts of one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from eval.stage import Broken, Ended, Event, Survived

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.protocols import Protocol
    from eval.threat import Threat

VERSION = 2
"""Of the journal's tables and counts; another version is another run.

1: gradients below 1e-12 were too short a step in L2, and none that vanished was counted.
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
            pixels=data.pixels_sha256(),
            threat=f"{threat.norm} {threat.eps_text}",
            protocol=protocol.name,
            stages=_sha256(stages.encode()),
            seed=seed,
            engine=engine,
            precision=precision,
        )

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name the run's file."""
        return _sha256(self.to_json().encode())[:16]

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


@dataclass
class Memory:
    """What is known of one stage, by position in the data.

    broken: whether still misclassified after rounding to 8 bits. survived: nothing was left to try.
    right_at_end: whether right at the last iterate, for attacks that go on to it.
    counts: by name, what earlier sessions spent and noticed, see `eval.run`.
    """

    broken: dict[int, bool] = field(default_factory=dict)
    survived: set[int] = field(default_factory=set)
    right_at_end: dict[int, bool] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def n_settled(self) -> int:
        """How many images have a verdict of this stage."""
        return len(self.broken) + len(self.survived)

    def only(self, positions: Iterable[int]) -> Memory:
        """The same of `positions` alone: a clean pass on other hardware may differ by an image."""
        kept = set(positions)
        return Memory(
            broken={p: value for p, value in self.broken.items() if p in kept},
            survived=self.survived & kept,
            right_at_end={p: value for p, value in self.right_at_end.items() if p in kept},
            counts=self.counts,
        )

    def missing(self, positions: Sequence[int], *, needs_end: bool) -> list[int]:
        """Those of `positions` that must be attacked.

        needs_end: the last iterate is wanted too. It comes after the verdict, so a run that was
        killed in between walks the same way again.
        """
        settled = self.broken.keys() | self.survived
        if needs_end:
            settled &= self.right_at_end.keys()
        return [p for p in positions if p not in settled]

    def take(self, event: Event) -> None:
        """Note one event. What is verified broken stays broken."""
        match event:
            case Broken(position, _, is_broken_8bit):
                self.broken[position] = is_broken_8bit
                self.survived.discard(position)
            case Survived(position):
                if position not in self.broken:
                    self.survived.add(position)
            case Ended(position, is_right):
                self.right_at_end[position] = is_right

    def total(self, counts: Mapping[str, float]) -> dict[str, float]:
        """The `counts` of this session added to those of earlier ones."""
        names = self.counts.keys() | counts.keys()
        return {name: self.counts.get(name, 0) + counts.get(name, 0) for name in names}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)
