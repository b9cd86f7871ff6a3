"""What a model is: its card. No torch here; a card is data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Frozen):
    """Pictures as float NCHW in [0, 1]; `(x - mean) / std` happens inside the model."""

    channels: int = 3
    size: int = Field(description="height and width in pixels")
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    preprocess: Literal["none", "resnet-opencv", "efficientnet-tf"] = Field(
        default="none",
        description="how a picture on disk becomes the input: see zoo/preprocess.py",
    )


class ThreatSpec(_Frozen):
    """The threat model a checkpoint was trained for, or a number was claimed under."""

    norm: Literal["Linf", "L2"] = "Linf"
    eps: str = Field(description='as an exact fraction of the pixel range, "8/255"')


class Claim(_Frozen):
    """One number that somebody published, with where it stands."""

    accuracy: float = Field(ge=0, le=1)
    protocol: str = Field(description='"clean", "pgd-50", ... as the source states it')
    threat: ThreatSpec | None = Field(default=None, description="None for clean accuracy")
    source: str
    note: str | None = None


class Bundled(_Frozen):
    """Weights that lie inside the package, beside the cards of their family."""

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Official(_Frozen):
    """Where the authors' TensorFlow checkpoint lies and how it must be read."""

    prefix: str
    drive_ids: dict[Literal["index", "data", "meta"], str]
    channel_order: Literal["RGB", "BGR"]
    ema: bool = Field(description="evaluate the exponential-moving-average shadows")


class ModelCard(_Frozen):
    """Everything known about one model; unknown is None and shown as "not published"."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    family: str
    arch: str = Field(description="name under which timm.create_model builds the network")
    arch_args: dict[str, Any] = Field(default_factory=dict)
    activation: str = Field(description="key of zoo.activations.ACTIVATIONS")
    method: Literal["sat", "at"]
    dataset: str
    classes: int
    input: InputSpec
    threat: ThreatSpec | None
    parameters: int = Field(description="trainable scalars; recomputed by a test")
    flops: int | None = Field(
        default=None, description="multiply-adds of convolutions and linear layers, one image"
    )
    claims: tuple[Claim, ...] = ()
    bundled: Bundled | None = None
    official: Official | None = None
    recipe: str | None = Field(default=None, description="file beside the card")
    notes: tuple[str, ...] = ()
