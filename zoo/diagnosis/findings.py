"""What a comparison with golden logits found. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eval.frozen import Frozen

CODES = (
    "mean/std",
    "range",
    "channel order",
    "axes",
    "resize kernel",
    "antialiasing",
    "crop",
    "exif",
    "jpeg decoder",
    "label offset",
    "class order",
    "output",
    "batch norm",
    "precision",
    "random",
    "card",
    "unknown",
)
"""The kinds of causes; docs/golden.md has a line on each."""


class Cause(Frozen):
    """Why logits probably differ."""

    code: str = Field(description="one of `zoo.diagnosis.findings.CODES`")
    says: str
    before: float = Field(description="distance from the golden logits, mean over the images")
    after: float = Field(description="what is left of it once this is taken into account")
    is_exact: bool = Field(description="it explains everything, up to rounding")


class AgainstGolden(Frozen):
    """How far the logits on one kind of images are from the golden ones, in their spread."""

    images: Literal["raw", "pictures"]
    n: int
    n_off: int = Field(description="images that are further than allowed")
    worst: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether all images are within what is allowed."""
        return self.n_off == 0


class GoldenFindings(Frozen):
    """What was compared with golden logits, and why it differs."""

    schema_: Literal["sat-zoo/golden-check@1"] = Field(
        alias="schema", default="sat-zoo/golden-check@1"
    )
    model: str
    weights_sha256: str
    device: str
    precision: str
    recorded_with: str = Field(description="torch and processor of the golden logits")
    compared: tuple[AgainstGolden, ...]
    not_compared: tuple[str, ...] = Field(
        description="what was not, and why, and what else was seen"
    )
    causes: tuple[Cause, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing that was compared differs."""
        return all(one.agrees for one in self.compared)

    def to_json(self) -> str:
        """As indented JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
