"""The parts of a Report, each of which says what may stand in it; `report` ties them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from eval.ending import EndedBy
from eval.estimate import METHOD, Estimate
from eval.fingerprint import fingerprint, protocol_id
from eval.frozen import Frozen
from eval.intervals import wilson
from eval.report.fields import (
    Digest,
    ImageCount,
    ImageId,
    Name,
    Note,
    PassCount,
    Seconds,
    Share,
    Text,
    Truth,
    still,
)
from eval.report.flag_codes import Code
from eval.stage import Stage

MOST_CLASSES = 10**7

Label = Annotated[int, Field(ge=0, lt=MOST_CLASSES, strict=True)]

OPEN = "open"

UNBROKEN = frozenset({"clean", "robust", "right", OPEN})
"""Verdicts of images that no stage broke; every other verdict is the name of a stage."""


class ModelPart(Frozen):
    """Which model was attacked."""

    name: Name
    source: Literal["bundled", "store", "hub", "file", "factory", "library"]
    weights_sha256: Digest = Field(
        description="of tensors, not the file: name, dtype, shape, bytes"
    )
    file_sha256: Digest | None = Field(
        None, description="of the weight file's bytes; null: no file"
    )
    parameters: PassCount
    classes: int = Field(ge=2, le=MOST_CLASSES, strict=True)


class DataPart(Frozen):
    """Which pictures; two people with equal digests evaluated the same pixels."""

    name: Name
    split: Name
    n: ImageCount
    ids_sha256: Digest
    pixels_sha256: Digest = Field(
        description="of round(255 x) as uint8 NHWC, in the order of the ids"
    )
    official_subset: Truth = Field(description="the first n in the data set's official order")
    decoder: Name | None = Field(
        None,
        description="what made pixels of picture files, with versions; null: arrays, or an older"
        " Report",
    )

    @model_serializer(mode="wrap")
    def _as_it_was_read(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a decoder where there is none: older files stay as they are."""
        written: dict[str, Any] = dump(self)
        if self.decoder is None:
            written.pop("decoder", None)
        return written


class ThreatPart(Frozen):
    """The ball in which the attacker moves."""

    norm: Text
    eps: float = Field(gt=0, le=1e9, strict=True)
    eps_text: Text


class ProtocolPart(Frozen):
    """The attacks, in order, with every hyper-parameter."""

    name: Name
    stages: tuple[Stage, ...] = Field(max_length=100, fail_fast=True)
    fingerprint: Digest | None = Field(
        default=None,
        description="of all stages, see eval.fingerprint: numbers are of one attack only where it"
        " is equal, whatever the name; older files do not say it, and it follows from the stages",
    )

    @classmethod
    def of(cls, name: str, stages: tuple[Stage, ...]) -> Self:
        """The protocol of these stages, with their fingerprint."""
        return cls(name=name, stages=stages, fingerprint=fingerprint(stages))

    @property
    def id(self) -> str:
        """Name, version and fingerprint: "autoattack-standard@1#3f2a90c1b2d4"."""
        return protocol_id(self.name, self.stages)

    @model_serializer(mode="wrap")
    def _as_it_was_read(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a fingerprint where a file had none: the digests of older files stay."""
        written: dict[str, Any] = dump(self)
        if self.fingerprint is None:
            written.pop("fingerprint", None)
        return written

    @property
    def fault(self) -> str | None:
        """Whether the fingerprint, where one is written, is another than that of the stages."""
        known = fingerprint(self.stages)
        if self.fingerprint in {None, known}:
            return None
        return (
            f"protocol.fingerprint is {self.fingerprint}, but its stages have {known}: other"
            " hyper-parameters were run"
        )

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
    device: Name
    version: Name
    torch: Name


class Accuracy(Frozen):
    """A share of images with a 95 % interval for the distribution that they came from."""

    correct: ImageCount = Field(description="of an estimate, those that are known to be")
    n: ImageCount
    accuracy: Share
    ci95: tuple[Share, Share] = Field(
        description="Wilson's; of an estimate, eval.estimate.Estimate.population: it covers the"
        " open images too"
    )
    estimated: Truth = Field(default=False, description="whether some images are open")

    @classmethod
    def of(cls, correct: int, n: int) -> Self:
        """`correct` of `n` images."""
        return cls(correct=correct, n=n, accuracy=correct / n, ci95=wilson(correct, n))

    @classmethod
    def of_estimate(cls, known: Estimate) -> Self:
        """What is known before all images are settled."""
        return cls(
            correct=known.k,
            n=known.n,
            accuracy=known.accuracy,
            ci95=known.population,
            estimated=True,
        )


class EstimatePart(Frozen):
    """What a run that is not over says of its end; the reader computes all of it again."""

    method: Literal["beta-binomial-ppr@1"] = Field(description="see eval.estimate")
    ended_by: EndedBy
    after: Text | None = Field(
        description="the last stage that ran on all images before the order was drawn, clean for"
        " none; null: they were not done yet"
    )
    survivors: ImageCount | None = Field(
        description="s, the images that stood then, in whose order the rest is done; null as above"
    )
    settled: ImageCount = Field(description="m, those of them that have been attacked to the end")
    robust: ImageCount = Field(
        description="k, those of these that stand; where nothing was drawn, of all images"
    )
    full_run: tuple[Share, Share] = Field(
        description="a 95 % confidence sequence, valid whenever one stops, for the robust accuracy"
        " that the whole run would find on these very images; robust.ci95 is of the distribution"
        " that they came from, and wider"
    )
    right_at_end: str | None = Field(
        default=None,
        pattern="^[01]*$",
        description="where an attack goes on to last iterates: 1 where that of the image is right,"
        " one for each of the settled, in the order drawn",
    )
    last_iterates: Accuracy | None = Field(
        default=None, description="what follows for the accuracy of last iterates"
    )
    last_iterates_full_run: tuple[Share, Share] | None = None

    @classmethod
    def of(
        cls, known: Estimate, *, ended_by: EndedBy, after: str | None, right_at_end: str | None
    ) -> Self:
        """The part of a run that ended with `known`."""
        ends = known.last_iterates
        return cls(
            method=METHOD,
            ended_by=ended_by,
            after=after,
            survivors=known.s,
            settled=known.m,
            robust=known.k,
            full_run=known.interval,
            right_at_end=right_at_end,
            last_iterates=Accuracy.of_estimate(ends) if ends else None,
            last_iterates_full_run=ends.interval if ends else None,
        )


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
        " every stage; open: not settled when the run ended, see estimate; right: classified right"
        " where the protocol has no stage, so that nothing is known of its robustness (older files"
        " have robust there, which is read as right)",
    )


class Flag(Frozen):
    """A machine-readable reason to read the numbers with care; codes: `eval.report.flag_codes`."""

    code: Code
    detail: Note


class Survive8Bit(Frozen):
    """Of the n adversarial images found, 0 without an attack, how many still fool it in 8 bits."""

    broken_after_rounding: ImageCount
    n: ImageCount
