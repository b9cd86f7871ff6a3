"""The file of golden logits: safetensors, with all that was said of them in its header. No torch.

Two tensors, `raw` (8, K) and `pictures` (8, K), float32; no `pictures` where there are none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eval.errors import WeightsMismatch
from eval.files.border import border, is_file, read_bytes
from eval.files.record import parse_json
from eval.frozen import Frozen
from zoo.cards import InputSpec, ModelCard
from zoo.weights.header import checked_header

__all__ = ["AboutGolden", "Golden", "PictureFacts", "read_golden"]

_SHA256 = r"^[0-9a-f]{64}$"
_ABOUT = "golden"
_REMEDY = "delete it, or write it anew with the weights"
Logits = NDArray[np.float32]


class PictureFacts(Frozen):
    """One picture file, and what the card's preprocessing made of it."""

    name: str
    sha256: str = Field(pattern=_SHA256)
    pixels_sha256: str = Field(pattern=_SHA256)


class AboutGolden(Frozen):
    """Of which weights golden logits are, on which images, and where they were computed."""

    schema_: Literal["sat-zoo/golden@1"] = Field(alias="schema", default="sat-zoo/golden@1")
    name: str = Field(description="of the model")
    weights_sha256: str = Field(pattern=_SHA256, description="of the weight file's bytes")
    arch: str
    activation: str
    classes: int = Field(ge=1, le=10**6)
    input: InputSpec
    images: str = Field(description="which fixed tensors: the name of their recipe")
    seed: int = Field(ge=0, lt=2**32)
    raw_size: int = Field(ge=1, le=64, description="their edge in pixels")
    raw_sha256: str = Field(pattern=_SHA256, description="of their levels")
    pictures: tuple[PictureFacts, ...]
    no_pictures: str = Field(default="", description="why there are none")
    torch: str
    pillow: str
    device: str
    processor: str
    precision: Literal["fp32"] = "fp32"
    written_by: str

    @classmethod
    def same_input(cls, card: ModelCard, spec: InputSpec) -> str:
        """In what the card's input differs from the recorded one, as words; "" where not."""
        ours, theirs = card.input.model_dump(), spec.model_dump()
        return ", ".join(
            f"{name} {_short(ours[name])} instead of {_short(theirs[name])}"
            for name in ours
            if ours[name] != theirs[name]
        )


@dataclass(frozen=True)
class Golden:
    """Golden logits. raw: (8, K). pictures: (n, K), with n = 0 where there are none."""

    about: AboutGolden
    raw: Logits = field(repr=False)
    pictures: Logits = field(repr=False)

    def to_bytes(self) -> bytes:
        """The file."""
        from safetensors.numpy import save

        tensors = {"raw": self.raw} | ({"pictures": self.pictures} if len(self.pictures) else {})
        about = json.dumps(self.about.model_dump(mode="json", by_alias=True))
        content: bytes = save(tensors, metadata={_ABOUT: about})
        return content


def read_golden(path: Path, weights_sha256: str | None = None) -> Golden | None:
    """The golden logits in the file `path`, None if there is no file.

    weights_sha256: of the weight file that they must be of.

    Raises `WeightsMismatch` for a file that is damaged, or is of other weights.
    """
    if not is_file(path):
        return None
    with border(path, WeightsMismatch, _REMEDY):
        golden = _parsed(read_bytes(path, "config_bytes"))
    found = golden.about.weights_sha256
    if weights_sha256 is not None and found != weights_sha256:
        raise WeightsMismatch(
            f"{path} has the golden logits of other weights (sha256 {found[:12]} of"
            f" {golden.about.name}, and the weights beside it have {weights_sha256[:12]}): delete"
            " it, or put the file there that belongs to them"
        )
    return golden


def _parsed(content: bytes) -> Golden:
    from safetensors.torch import load  # which is there already: weights were read

    metadata = checked_header(content)
    if _ABOUT not in metadata:
        raise ValueError("its header says nothing of golden logits")
    about = AboutGolden.model_validate(parse_json(metadata[_ABOUT].encode()))
    tensors = {name: value.numpy() for name, value in load(content).items()}
    raw = _checked("raw", tensors, about, rows=8)
    n_pictures = len(about.pictures)
    if not n_pictures:
        return Golden(about, raw, np.zeros((0, about.classes), np.float32))
    return Golden(about, raw, _checked("pictures", tensors, about, rows=n_pictures))


def _checked(
    name: str, tensors: Mapping[str, NDArray[np.generic]], about: AboutGolden, *, rows: int
) -> Logits:
    found = tensors.get(name)
    if found is None or found.dtype != np.float32 or found.shape != (rows, about.classes):
        raise ValueError(f"its {name!r} is no float32 of shape {(rows, about.classes)}")
    if not np.isfinite(found).all():
        raise ValueError(f"its {name!r} holds values that are not finite")
    return found.astype(np.float32)


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{one:g}" for one in value)
    return f"{value}"
