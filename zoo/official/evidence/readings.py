"""Which reading of an official checkpoint is right, told by pictures with labels.

Three things about the released files cannot be seen in them: whether they expect RGB or BGR,
whether the weights or their moving averages are meant, and whether class 0 is the first class. Each
reading classifies the same pictures; two readings are compared on the pictures that only one of
them gets right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from eval.errors import UsageError
from eval.frozen import Frozen
from eval.report.report import Accuracy
from eval.verify import predict
from zoo.cards import ModelCard
from zoo.official.convert import ChannelOrder

if TYPE_CHECKING:
    from eval.data import ImageSet

Values = Literal["weights", "moving averages"]
Question = Literal["channel order", "values", "label offset"]
Right = NDArray[np.bool_]

OFFSETS = (-1, 0, 1)
"""Output of the network minus label: +1 where a checkpoint has a class for the background."""

P_SETTLED = 0.001
"""A question is settled where chance would decide it as clearly in fewer cases than this."""


@dataclass(frozen=True)
class Reading:
    """One way to read a checkpoint."""

    channel_order: ChannelOrder
    values: Values
    label_offset: int = 0

    def answer(self, question: Question) -> str:
        """What this reading says to one question."""
        if question == "label offset":
            return f"{self.label_offset:+d}" if self.label_offset else "0"
        return self.channel_order if question == "channel order" else self.values


class Contest(Frozen):
    """One question: the answer of the best reading, beside the best that answers otherwise."""

    question: Question
    answer: str
    accuracy: Accuracy
    rival: str
    rival_accuracy: Accuracy
    n_only_answer: int = Field(description="pictures that only the answer's reading gets right")
    n_only_rival: int
    p: float = Field(description="exact two-sided sign test on those pictures (McNemar 1947)")
    card: str = Field(description="what the card says")
    used: str = Field(description="how the weights that were examined are read")

    @property
    def is_settled(self) -> bool:
        """Whether the pictures decide it."""
        return self.p < P_SETTLED

    @property
    def is_misread(self) -> bool:
        """Whether they decide against the way the weights are read."""
        return self.is_settled and self.answer != self.used


class Findings(Frozen):
    """What pictures say about the readings of one checkpoint."""

    schema_: Literal["sat-zoo/readings@1"] = Field(alias="schema", default="sat-zoo/readings@1")
    model: str
    data: str
    split: str
    ids_sha256: str
    n: int
    contests: tuple[Contest, ...]
    not_tried: tuple[str, ...] = Field(description="readings that the files do not allow, and why")

    def to_json(self) -> str:
        """As indented JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


@dataclass(frozen=True)
class Readable:
    """Networks that take RGB in [0, 1] if their checkpoint was made for the order of `used`.

    used: how the checkpoint is or would be imported. not_tried: readings that the files do not
    allow, and why.
    """

    nets: Mapping[Values, nn.Module]
    used: Reading
    not_tried: tuple[str, ...] = ()


def settle(
    info: ModelCard,
    found: Readable,
    images: ImageSet,
    *,
    batch_size: int = 32,
    device: str = "cpu",
) -> Findings:
    """Compare the readings of an official checkpoint on `images`, a few hundred with labels.

    Cost: two forwards an image and set of values; label offsets cost nothing.
    """
    said = said_by(info)
    right = right_by_reading(found, images, batch_size=batch_size, device=device)
    # Of equals the first one is taken: a tie must not look like a word against what is done.
    ordered = sorted(right, key=lambda reading: reading != found.used)
    best = max(ordered, key=lambda reading: int(right[reading].sum()))
    contests = []
    for question in get_args(Question):
        rivals = [r for r in ordered if r.answer(question) != best.answer(question)]
        if rivals:
            rival = max(rivals, key=lambda reading: int(right[reading].sum()))
            contest = _contest(question, best, rival, right)
            words = {"card": said.answer(question), "used": found.used.answer(question)}
            contests.append(Contest(**contest, **words))
    return Findings(
        model=info.name,
        data=images.name,
        split=images.split,
        ids_sha256=images.ids_sha256,
        n=len(images),
        contests=tuple(contests),
        not_tried=found.not_tried,
    )


def right_by_reading(
    found: Readable, images: ImageSet, *, batch_size: int, device: str
) -> dict[Reading, Right]:
    """Of each reading, which images it gets right: (N,) bool in the order of the set."""
    mine = found.used.channel_order
    other: ChannelOrder = "RGB" if mine == "BGR" else "BGR"
    pieces: dict[Reading, list[Right]] = {}
    for batch in images.batches(batch_size):
        x = batch.x.to(device)
        for values, net in found.nets.items():
            for order, picture in ((mine, x), (other, x.flip(1))):
                predicted = predict(net, picture).argmax(1).cpu()
                for offset in OFFSETS:
                    is_right = (predicted - offset == batch.y).numpy()
                    pieces.setdefault(Reading(order, values, offset), []).append(is_right)
    return {reading: np.concatenate(parts) for reading, parts in pieces.items()}


def _contest(
    question: Question, best: Reading, rival: Reading, right: Mapping[Reading, Right]
) -> dict[str, Any]:
    """The fields of a `Contest` that the pictures give."""
    mine, theirs = right[best], right[rival]
    n_mine, n_theirs = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    return {
        "question": question,
        "answer": best.answer(question),
        "accuracy": Accuracy.of(int(mine.sum()), len(mine)),
        "rival": rival.answer(question),
        "rival_accuracy": Accuracy.of(int(theirs.sum()), len(theirs)),
        "n_only_answer": n_mine,
        "n_only_rival": n_theirs,
        "p": sign_test(n_mine, n_theirs),
    }


def sign_test(a: int, b: int) -> float:
    """Two-sided probability that a fair coin splits a + b throws at least as unevenly as a : b.

    Exact. Source: McNemar 1947, Psychometrika 12, p. 153; its exact form is the sign test.
    """
    n = a + b
    tail = sum(math.comb(n, i) for i in range(min(a, b) + 1))
    return min(1.0, float(2 * tail / 2**n))


def said_by(info: ModelCard) -> Reading:
    """The reading that the card names. Raises `UsageError` if it is of no official checkpoint."""
    if info.official is None:
        raise UsageError(
            f"{info.name} has no official checkpoint, so there is one reading of its weights; for"
            " the models of the release see sat-zoo list"
        )
    averages = info.official.ema
    return Reading(info.official.channel_order, "moving averages" if averages else "weights")
