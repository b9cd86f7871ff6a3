"""What a model is: its card. No torch here; a card is data."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from eval.frozen import Frozen

Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]


class InputSpec(Frozen):
    """Pictures as float NCHW in [0, 1]; `(x - mean) / std` happens inside the model."""

    channels: int = 3
    size: int = Field(description="height and width in pixels")
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    preprocess: Literal["none", "resnet-opencv", "efficientnet-tf", "timm-eval", "center-crop"] = (
        Field(
            default="none",
            description="how a picture on disk becomes the input: see zoo/preprocess.py",
        )
    )
    interpolation: Interpolation | None = Field(default=None, description="of timm-eval")
    crop_pct: float | None = Field(
        default=None, gt=0, le=1, description="of timm-eval: input size / size resized to"
    )
    crop_mode: Literal["center", "squash", "border"] = Field(
        default="center", description="of timm-eval"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.preprocess == "timm-eval" and (self.interpolation is None or self.crop_pct is None):
            raise ValueError("preprocess timm-eval needs interpolation and crop_pct")
        return self


class ThreatSpec(Frozen):
    """The threat model a checkpoint was trained for, or a number was claimed under."""

    norm: Literal["Linf", "L2"] = "Linf"
    eps: str = Field(description='as an exact fraction of the pixel range, "8/255"')


class Claim(Frozen):
    """One number that somebody published, with where it stands."""

    accuracy: float = Field(ge=0, le=1)
    protocol: str = Field(description='"clean", "pgd-50", ... as the source states it')
    threat: ThreatSpec | None = Field(default=None, description="None for clean accuracy")
    source: str
    note: str | None = None
    run_as: str | None = Field(
        default=None,
        description="the protocol of ours that does what the source did, where its name is another",
    )


class Bundled(Frozen):
    """Weights that lie inside the package, beside the cards of their family."""

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Official(Frozen):
    """Where the authors' TensorFlow checkpoint lies and how it must be read."""

    prefix: str
    drive_ids: dict[Literal["index", "data", "meta"], str]
    channel_order: Literal["RGB", "BGR"]
    ema: bool = Field(description="evaluate the exponential-moving-average shadows")


class ModelCard(Frozen):
    """Everything known about one model; unknown is None and shown as "not published"."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    family: str
    arch: str = Field(description="name under which timm.create_model builds the network")
    arch_args: dict[str, Any] = Field(default_factory=dict)
    activation: str = Field(description="key of zoo.activations.activations.ACTIVATIONS")
    method: Literal["sat", "at", "unknown"]
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
    seed: int | None = Field(
        default=None, ge=0, description="of the training run, in the place of the recipe's"
    )
    seed_of: str | None = Field(
        default=None, description="the card that this is one more training run of"
    )
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_one_run(self) -> Self:
        if (self.seed is None) != (self.seed_of is None):
            raise ValueError("seed and seed_of belong together")
        if self.seed is not None and self.name != f"{self.seed_of}-seed-{self.seed}":
            raise ValueError(f"it must be called {self.seed_of}-seed-{self.seed}")
        return self

    def run_of(self, seed: int) -> ModelCard:
        """The card of one more training run of this model: nothing is bundled or claimed of it."""
        base = self.seed_of or self.name
        change = {"name": f"{base}-seed-{seed}", "seed": seed, "seed_of": base}
        return self.model_copy(update={**change, "bundled": None, "claims": (), "official": None})

    def __repr__(self) -> str:
        """One line; `model_dump()` has everything."""
        size = f"{self.input.channels}x{self.input.size}x{self.input.size}"
        said = [self.name, self.arch, f"activation {self.activation}", f"input {size}"]
        said += [f"{self.classes} classes" + (f" of {self.dataset}" if self.dataset else "")]
        said += [f"{self.threat.norm} eps {self.threat.eps}"] if self.threat else []
        return f"{type(self).__name__}({', '.join(said)})"

    __str__ = __repr__


class ForeignCard(ModelCard):
    """What is known of a model that is not of the zoo: from its own config, or as the user says.

    The same questions as of any model, so that nothing behind it knows the difference. `dataset`
    is "" where nobody said it, and `parameters` is 0 until the network was built.
    """

    name: str = Field(description='"hf-hub:ORG/NAME@COMMIT", or what the report shall call it')
    family: str = "foreign"
    activation: str = Field(
        default="default", description='"default": what the architecture has by itself'
    )
    method: Literal["sat", "at", "unknown"] = "unknown"
    dataset: str = ""
    threat: ThreatSpec | None = None
    parameters: int = 0
    timm_cfg: dict[str, Any] = Field(
        default_factory=dict,
        description="what timm must know of the weights; no place of weights is among it",
    )
