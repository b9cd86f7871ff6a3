"""The parts of a Report, each of which says what may stand in it; `report` ties them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from eval.frozen import Frozen
from eval.report.flag_codes import Code
from eval.report.intervals import wilson
from eval.stage import Stage

UNBROKEN = frozenset({"clean", "robust", "right"})
"""Verdicts of images that no stage broke; every other verdict is the name of a stage."""


class ModelPart(Frozen):
    """Which model was attacked."""

    name: str
    source: Literal["bundled", "store", "hub", "file", "factory"]
    weights_sha256: str = Field(description="of tensors, not the file: name, dtype, shape, bytes")
    file_sha256: str | None = Field(None, description="of the weight file's bytes; null: no file")
    parameters: int
    classes: int


class DataPart(Frozen):
    """Which pictures; two people with equal digests evaluated the same pixels."""

    name: str
    split: str
    n: int
    ids_sha256: str
    pixels_sha256: str = Field(description="of round(255 x) as uint8 NHWC, in the order of the ids")
    official_subset: bool = Field(description="the first n in the data set's official order")


class ThreatPart(Frozen):
    """The ball in which the attacker moves."""

    norm: str
    eps: float
    eps_text: str


class ProtocolPart(Frozen):
    """The attacks, in order, with every hyper-parameter."""

    name: str
    stages: tuple[Stage, ...]


class EnginePart(Frozen):
    """What computed the search. Verdicts are always fp32 on the untouched model."""

    name: Literal["fast", "reference"]
    precision: Literal["fp32", "bf16"]
    device: str
    version: str
    torch: str


class Accuracy(Frozen):
    """A share of images with its 95 % Wilson interval."""

    correct: int
    n: int
    accuracy: float
    ci95: tuple[float, float]
    estimated: bool = False

    @classmethod
    def of(cls, correct: int, n: int) -> Self:
        """`correct` of `n` images."""
        return cls(correct=correct, n=n, accuracy=correct / n, ci95=wilson(correct, n))


class StageResult(Frozen):
    """What one attack did to the images that the stages before it left."""

    name: str
    attacked: int
    broken: int
    rejected: int = Field(description="claimed adversarial images that verification refused")
    accuracy_after: float
    seconds: float
    forwards: int = Field(description="images through the network forward, summed")
    backwards: int = Field(description="images through the network backward, summed")
    last_iterate_accuracy: float | None = Field(
        default=None,
        description="PGD: accuracy if only each run's last iterate counted, as many papers count",
    )


class Images(Frozen):
    """One entry an image, in the order of the data set."""

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    verdicts: tuple[str, ...] = Field(
        description="clean: wrong without an attack; a stage's name: broken by it; robust: survived"
        " every stage; right: classified right where the protocol has no stage, so that nothing is"
        " known of its robustness (older files have robust there, which is read as right)"
    )


class Flag(Frozen):
    """A machine-readable reason to read the numbers with care; codes: `eval.report.flag_codes`."""

    code: Code
    detail: str


class Survive8Bit(Frozen):
    """Of the n adversarial images found, 0 without an attack, how many still fool it in 8 bits."""

    broken_after_rounding: int
    n: int
