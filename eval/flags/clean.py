"""What the answers without an attack say: a model that guesses, or labels in another order.

A robust accuracy of such a model is small for the wrong reason, and right in all its digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.intervals import wilson
from eval.report.chance import is_guessing
from eval.report.percent import percent
from eval.report.report import Flag

Ints: TypeAlias = NDArray[np.int64]

NEARLY = 0.9
"""Share of the images of other labels that get one answer, above which there is only that one."""

CLEARLY = 0.25
"""A change of the labels is named where it leads at least this far from guessing to perfect."""

MOST_EXCHANGED = 4096
"""Classes that occur, above which no exchange is looked for: it takes their square in memory."""

CAUSES = (
    "the usual causes are labels in another order or shifted by one, RGB read as BGR, pixels in"
    " another range or normalised twice or not at all, another resizing or crop, weights that were"
    " not loaded; sat-zoo doctor looks at this installation and its data, and for an official"
    " checkpoint sat-zoo doctor NAME --data-dir DIR tells label shift, channel order and moving"
    " averages apart"
)


def clean_flags(labels: Sequence[int], answers: Sequence[int], n_classes: int) -> list[Flag]:
    """Flags from the labels and the model's answers, one each an image, both 0 to n_classes - 1.

    Cost: none that counts, no pass through the model.
    """
    y, found = np.asarray(labels, np.int64), np.asarray(answers, np.int64)
    flags = []
    if why := _no_better_than_guessing(y, found, n_classes):
        flags.append(Flag(code="clean-at-chance", detail=f"{why}; {CAUSES}"))
    if order := _better_order(y, found, n_classes):
        flags.append(Flag(code="label-order", detail=order))
    return flags


@dataclass(frozen=True)
class _Fit:
    """How answers fit labels, so that neither a frequent label nor a frequent answer helps.

    share: the mean over the labels present of the share of their images answered right.
    guessing: what `share` would be if the same answers were dealt out at random; 1/K for K labels
    that are equally frequent, and for any answer that is always the same, 1/(labels present).
    low, high: 95 % interval of `share`.
    """

    share: float
    guessing: float
    low: float
    high: float

    @classmethod
    def of(cls, y: Ints, answers: Ints, n_classes: int) -> _Fit:
        """y, answers: (n,), n >= 1."""
        sizes = np.bincount(y, minlength=n_classes)
        present = sizes > 0
        n_right = np.bincount(y[y == answers], minlength=n_classes)[present]
        share = float((n_right / sizes[present]).mean())
        answered = np.bincount(answers, minlength=n_classes)[present]
        guessing = float(answered.sum()) / len(y) / int(present.sum())
        # As many images as have this mean's variance: n itself where labels are equally frequent.
        n = int(present.sum()) ** 2 / float((1 / sizes[present]).sum())
        return cls(share, guessing, *wilson(share * n, n))

    @property
    def is_guessing(self) -> bool:
        return is_guessing(self.low, self.high, self.guessing)


def _no_better_than_guessing(y: Ints, answers: Ints, n_classes: int) -> str | None:
    """Why the model is taken to be guessing, None where it is not."""
    n, correct = len(y), int((y == answers).sum())
    low, high = wilson(correct, n)
    said = f"clean accuracy is {percent(correct / n)} % ({correct} of {n} images)"
    one = _one_answer(y, answers)
    fit = _Fit.of(y, answers, n_classes)
    if correct == 0:
        why = f"{said}: nothing was left to attack"
    elif is_guessing(low, high, 1 / n_classes):
        why = f"{said}, 95 % interval {percent(low)} to {percent(high)}; guessing among"
        why += f" {n_classes} classes has {100 / n_classes:.2g} %"
    elif one or (len(np.unique(y)) > 1 and fit.is_guessing):
        label, size = _most(y)
        why = f"{said}, but always answering {label}, the most frequent label, has"
        why += f" {percent(size / n)} %, and the mean accuracy over the labels is only"
        why += f" {percent(fit.share)} %, where the same answers at random have"
        why += f" {percent(fit.guessing)} %"
    else:
        return None
    return f"{why}; {one}" if one else why


def _one_answer(y: Ints, answers: Ints) -> str | None:
    """Says that the model answers one class for nearly everything, where it does."""
    answer, count = _most(answers)
    other = answers[y != answer]
    same = int((other == answer).sum())
    # Of all images too: with two classes exchanged, the images of each get the other's label.
    if not len(other) or min(same / len(other), count / len(y)) < NEARLY:
        return None
    if wilson(same, len(other))[0] <= 0.5:
        return None
    return f"the model answers class {answer} for nearly everything, {count} of {len(y)} images"


def _better_order(y: Ints, answers: Ints, n_classes: int) -> str | None:
    """Names the shift of all labels, or the exchange of classes, that the answers fit better."""
    if _one_answer(y, answers):
        return None
    shift = int(np.bincount((answers - y) % n_classes, minlength=n_classes).argmax())
    if shift and _fits_better(y, (y + shift) % n_classes, answers, n_classes):
        correct, moved = int((y == answers).sum()), int(((y + shift) % n_classes == answers).sum())
        shown = shift if shift <= n_classes // 2 else shift - n_classes
        return (
            f"the answers are right for {correct} of {len(y)} labels, and for {moved} if"
            f" {shown:+d} is added to every label (modulo {n_classes}): the classes of the data and"
            " of the model are shifted against each other"
        )
    return _exchanged(y, answers, n_classes)


def _fits_better(y: Ints, changed: Ints, answers: Ints, n_classes: int) -> bool:
    """Whether the answers fit the changed labels, and clearly better than those of the data."""
    new = _Fit.of(changed, answers, n_classes)
    if new.is_guessing or new.low <= new.guessing or math.isclose(new.guessing, 1):
        return False
    if (new.share - new.guessing) / (1 - new.guessing) < CLEARLY:
        return False
    n, correct, moved = len(y), int((y == answers).sum()), int((changed == answers).sum())
    return wilson(moved, n)[0] > wilson(correct, n)[1]


def _exchanged(y: Ints, answers: Ints, n_classes: int) -> str | None:
    """The exchange of classes that every other image of a label asks for, tried on the rest.

    On the images that it is chosen by, some exchange always fits better; on the others only a
    real one does.
    """
    rank = _rank_within_label(y)
    tried = rank % 2 == 1
    if not tried.any():
        return None
    # Classes that do not occur stay where they are: of all, the square may not fit into memory.
    classes, index = np.unique(np.r_[y[~tried], answers[~tried]], return_inverse=True)
    if len(classes) > MOST_EXCHANGED:
        return None
    seen = 1e-3 * np.eye(len(classes))  # what the answers do not decide stays as it is
    np.add.at(seen, tuple(np.split(index, 2)), 1)
    if _each_is_best_alone(seen):
        return None
    from scipy.optimize import linear_sum_assignment  # slow to import, and seldom needed

    asked = np.arange(n_classes)
    asked[classes] = classes[linear_sum_assignment(seen, maximize=True)[1]]
    y, answers = y[tried], answers[tried]
    if not _fits_better(y, asked[y], answers, n_classes):
        return None
    moved = [int(label) for label in np.unique(y) if asked[label] != label]
    listed = ", ".join(f"{label} as {asked[label]}" for label in moved[:5])
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
    return (
        f"on half of the images the answers are right for {int((y == answers).sum())} of {len(y)}"
        f" labels, and for {int((asked[y] == answers).sum())} after an exchange of classes that the"
        f" other half asks for ({listed}{more}): the classes of the data and of the model are in"
        " different orders"
    )


def _each_is_best_alone(seen: NDArray[np.float64]) -> bool:
    """Whether the largest entry of each row is on the diagonal: no assignment is as good then."""
    return bool((seen.argmax(axis=1) == np.arange(len(seen))).all())


def _rank_within_label(y: Ints) -> Ints:
    """For each image, how many of its label come before it."""
    order = np.argsort(y, kind="stable")
    ordered = y[order]
    is_first = np.r_[True, ordered[1:] != ordered[:-1]]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(y)), 0))
    rank = np.empty(len(y), np.int64)
    rank[order] = np.arange(len(y)) - starts
    return rank


def _most(values: Ints) -> tuple[int, int]:
    """The most frequent value and how often it is there."""
    counts = np.bincount(values)
    return int(counts.argmax()), int(counts.max())
