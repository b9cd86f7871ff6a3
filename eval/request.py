"""What is to be measured, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eval.engine.engine import Precision
from eval.errors import UsageError
from eval.protocols import Protocol
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.data import ImageSet

EngineName = Literal["fast", "reference"]


@dataclass(frozen=True)
class Request:
    """An evaluation that someone asks for; the fields are explained at `eval.evaluate`.

    keeps_images: the adversarial images are wanted, not only the verdicts.
    """

    data: ImageSet
    threat: Threat
    protocol: Protocol
    engine: EngineName = "fast"
    precision: Precision = "auto"
    seed: int = 0
    batch_size: int | None = None
    device: str = "cpu"
    name: str = "model"
    allow_probabilities: bool = False
    journal: Path | None = None
    fresh: bool = False
    keeps_images: bool = False

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size} is not positive: use for example 128")
