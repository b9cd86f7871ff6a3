"""The parts of a Report, each of which says what may stand in it; `report` ties them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eval.frozen import Frozen
from eval.report.fields import (
    Digest,
    ImageCount,
    ImageId,
    Note,
    PassCount,
    Seconds,
    Share,
    Text,
    Truth,
    still,
)
from eval.report.flag_codes import Code
from eval.report.intervals import wilson
from eval.stage import Stage

MOST_CLASSES = 10**7

Label = Annotated[int, Field(ge=0, lt=MOST_CLASSES, strict=True)]

UNBROKEN = frozenset({"clean", "robust", "right"})
"""Verdicts of images that no stage broke; every other verdict is the name of a stage."""


class ModelPart(Frozen):
    """Which model was attacked."""

    name: Text
    source: Literal["bundled", "store", "hub", "file", "factory"]
    weights_sha256: Digest = Field(
        description="of tensors, not the file: name, dtype, shape, bytes"
    )
    file_sha256: Digest | None = Field(
        None, description="of the weight file's bytes; null: no file"
    )
    parameters: PassCount
    classes: int = Field(ge=1, le=MOST_CLASSES, strict=True)


class DataPart(Frozen):
    """Which pictures; two people with equal digests evaluated the same pixels."""

    name: Text
    split: Text
    n: ImageCount
    ids_sha256: Digest
    pixels_sha256: Digest = Field(
        description="of round(255 x) as uint8 NHWC, in the order of the ids"
    )
    official_subset: Truth = Field(description="the first n in the data set's official order")


class ThreatPart(Frozen):
    """The ball in which the attacker moves."""

    norm: Text
    eps: float = Field(gt=0, le=1e9, strict=True)
    eps_text: Text


class ProtocolPart(Frozen):
    """The attacks, in order, with every hyper-parameter."""

    name: Text
    stages: tuple[Stage, ...] = Field(max_length=100, fail_fast=True)

    @model_validator(mode="after")
    def _verdicts_tell_stages_apart(self) -> Self:
        names = [still(stage.name) for stage in self.stages]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two stages are called {twice[0]!r}, so that no verdict says which")
        if taken := [name for name in names if name in UNBROKEN]:
            raise ValueError(f"a stage is called {taken[0]!r}, which is a verdict of its own")
        return self


class EnginePart(Frozen):
    """What computed the search. Verdicts are always fp32 on the untouched model."""

    name: Literal["fast", "reference"]
    precision: Literal["fp32", "bf16"]
    device: Text
    version: Text
    torch: Text


class Accuracy(Frozen):
    """A share of images with its 95 % Wilson interval."""

    correct: ImageCount
    n: ImageCount
    accuracy: Share
    ci95: tuple[Share, Share]
    estimated: Truth = False

    @classmethod
    def of(cls, correct: int, n: int) -> Self:
        """`correct` of `n` images."""
        return cls(correct=correct, n=n, accuracy=correct / n, ci95=wilson(correct, n))


class StageResult(Frozen):
    """What one attack did to the images that the stages before it left."""

    name: Text
    attacked: ImageCount
    broken: ImageCount
    rejected: PassCount = Field(description="claimed adversarial images that verification refused")
    accuracy_after: Share
    seconds: Seconds
    forwards: PassCount = Field(description="images through the network forward, summed")
    backwards: PassCount = Field(description="images through the network backward, summed")
    last_iterate_accuracy: Share | None = Field(
        default=None,
        description="PGD: accuracy if only each run's last iterate counted, as many papers count;"
        " null where last iterates were not looked at",
    )


class Images(Frozen):
    """One entry an image, in the order of the data set."""

    # The first fault is enough: a million of them are a gigabyte of errors.
    ids: tuple[ImageId, ...] = Field(fail_fast=True)
    labels: tuple[Label, ...] = Field(fail_fast=True)
    verdicts: tuple[str, ...] = Field(
        fail_fast=True,
        description="clean: wrong without an attack; a stage's name: broken by it; robust: survived"
        " every stage; right: classified right where the protocol has no stage, so that nothing is"
        " known of its robustness (older files have robust there, which is read as right)",
    )


class Flag(Frozen):
    """A machine-readable reason to read the numbers with care; codes: `eval.report.flag_codes`."""

    code: Code
    detail: Note


class Survive8Bit(Frozen):
    """Of the n adversarial images found, 0 without an attack, how many still fool it in 8 bits."""

    broken_after_rounding: ImageCount
    n: ImageCount
