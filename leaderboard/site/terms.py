"""The words that a reader may meet for the first time, each explained where it stands.

A page calls `term("rank")` in its template: a button that opens the explanation, without a script,
by mouse, finger or keyboard. The FAQ lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from leaderboard.boards import Board
from leaderboard.columns import CLEAN, Column, family, order
from leaderboard.published import NOT_STATED


@dataclass(frozen=True)
class Term:
    """A word and what it means in two sentences.

    label: the word as it stands in a text. more: the question of the FAQ that goes on from here.
    """

    name: str
    text: str
    label: str = ""
    more: str = ""


TERMS: Mapping[str, Term] = {
    "clean": Term(
        "Clean accuracy",
        "The share of the test images that the model gets right when nobody attacks.",
        "clean",
    ),
    "robust": Term(
        "Robust accuracy",
        "The share of the test images that the model still gets right after an attack tried to"
        " change each of them within the allowed size. An image that is wrong without any attack"
        " does not count as robust.",
        "robust accuracy",
        more="best-known",
    ),
    "best-known": Term(
        "Robust (best known)",
        "The lowest robust accuracy that we or a third party found for the model here. An"
        " attack can only show that an image is not robust, so that of several numbers the lowest"
        " is nearest to the truth; where a stronger attack of anybody's broke still more, its"
        " number counts.",
        "best known",
        more="best-known",
    ),
    "threat": Term(
        "Threat model",
        "What the attacker may do. Here: know everything about the model and change each test"
        " image, by no more than eps as the norm measures it.",
        "threat",
        more="threat",
    ),
    "linf": Term(
        "Linf",
        "A way to measure a change: by its largest value. Linf 8/255 lets every value of every"
        " pixel change by up to 8/255, all of them at once.",
        more="threat",
    ),
    "l2": Term(
        "L2",
        "A way to measure a change: by its Euclidean length, over all pixels together. A few may"
        " change much, or many a little.",
        more="threat",
    ),
    "eps": Term(
        "eps",
        "How much an image may change, measured by the norm. Pixel values go from 0 to 1, so that"
        " 8/255 is 8 of the 255 steps of brightness that a file can store.",
        more="threat",
    ),
    "attack": Term(
        "Attack",
        "A program that looks for the small change that makes the model wrong. A stronger attack"
        " finds it more often and leaves a lower accuracy; numbers of two attacks do not compare.",
        "attack",
        more="pgd",
    ),
    "autoattack": Term(
        "AutoAttack",
        "Four attacks one after another, each on the images that the ones before left: APGD-CE,"
        " APGD-T, FAB-T and Square. It has nothing to tune, and is what most papers report"
        " (Croce and Hein 2020).",
        more="pgd",
    ),
    "pgd": Term(
        "PGD with K steps, as PGD-50",
        "Projected gradient descent: K steps along the gradient of the loss, each brought back to"
        " the allowed size. It is weaker than AutoAttack, so that its numbers are higher; a stated"
        " step size is part of its name.",
        more="pgd",
    ),
    "not-stated": Term(
        "Attack not stated",
        "What a paper reports of its own model, as RobustBench lists it, which does not say by"
        " which attack it was found. It is shown and ranks nothing.",
        "attack not stated",
        more="claims",
    ),
    "measured": Term(
        "Measured",
        "From a Report: a file with the verdict for every image, from which every total here is"
        " computed again. By us: the Report comes with this project; by a submitter: somebody"
        " handed it in.",
        "measured",
        more="who",
    ),
    "third-party": Term(
        "Third party",
        "Published by somebody who is not the author of the model, mostly RobustBench. We copied"
        " the number with its source and did not measure it.",
        "third party",
        more="who",
    ),
    "claimed": Term(
        "Claimed",
        "What the authors of a model say of it. Shown beside the rest and never ranked.",
        "claimed",
        more="claims",
    ),
    "interval": Term(
        "95 % interval",
        "Another draw of as many test images would have given another number. For an accuracy the"
        " interval (Wilson's) holds the one over all possible images in 95 of 100 such draws.",
        "95 % interval",
        more="interval",
    ),
    "rank": Term(
        "Rank",
        "3-7 says: 2 models are surely more robust, and all but 7 are surely less. Where it stands"
        " among those between, the number of test images does not tell. By best known robust"
        " accuracy; surely means to 95 %.",
        "Rank",
        "rank",
    ),
    "estimated": Term(
        "Estimated",
        "The run ended before all of its images were settled. The number is the best guess, and"
        " its interval covers the images that are open.",
        "estimated",
        more="estimated",
    ),
    "mcnemar": Term(
        "McNemar's test",
        "Two models on the same images: only the images that just one of them gets right tell them"
        " apart. p is the chance of a split at least as uneven if the two were equally good.",
        "McNemar",
        more="rank",
    ),
    "flag": Term(
        "Flag",
        "A mark that a number must be read with care, such as gradients that vanish. Some flags"
        " cost the rank.",
        "flag",
        more="flags",
    ),
    "extra-data": Term(
        "Extra data",
        "Whether the model was trained with real images beyond the training set of the data set.",
        "extra data",
    ),
}
"""By the key that templates, the ids of the notes and the anchors of the FAQ use."""


_ATTACKS = {"AutoAttack": "autoattack", "PGD-": "pgd"}


def term_of(it: Column) -> str | None:
    """The word that explains what a column holds, if there is one."""
    if it.key in {CLEAN, NOT_STATED}:
        return "clean" if it.key == CLEAN else "not-stated"
    name = family(it.key)
    return next((term for head, term in _ATTACKS.items() if name.startswith(head)), None)


def words_of(board: Board) -> list[str]:
    """The terms that the table of a board uses, in the order of its heads."""
    columns = sorted({it for row in board.rows for it in row.numbers}, key=lambda it: order(it.key))
    found = {
        board.norm.lower(): True,
        "eps": bool(board.eps),
        "rank": board.ranked_by is not None,
        "best-known": any(row.best for row in board.rows),
        **{term: True for it in columns if (term := term_of(it))},
        "estimated": any(row.is_estimated for row in board.rows),
        "flag": any(row.flags for row in board.rows),
        "extra-data": any(row.extra_data is not None for row in board.rows),
        "interval": True,
    }
    return [key for key, is_used in found.items() if is_used and key in TERMS]


@dataclass
class Terms:
    """The terms that one page uses, in the order in which it does."""

    used: dict[str, Term] = field(default_factory=dict)

    def __call__(self, key: str, label: str = "") -> Markup:
        """A button with the word, or with `label`, that opens the note of the term."""
        found = self.used.setdefault(key, TERMS[key])
        word = escape(label or found.label or found.name)
        return Markup(f'<button popovertarget="term-{key}">{word}</button>')
