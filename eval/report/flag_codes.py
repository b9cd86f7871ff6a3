"""Every flag that a Report can carry: its code, what it means, what to do.

The only list of them: the JSON Schema of a Report and docs/flags.md repeat it.
Beside it stands which of them cost a model its rank on the leaderboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

PATTERN = r"^[a-z0-9-]{1,40}$"
"""What any code looks like, those of later versions too: readers show what they do not know."""


class Meaning(NamedTuple):
    """One sentence each: what a flag says, and what to do about it."""

    means: str
    do: str


FLAGS: Mapping[str, Meaning] = {
    "clean-at-chance": Meaning(
        "Without an attack the model is no better than guessing or than one constant answer, or"
        " right on no image.",
        "Check label order, channel order, pixel range and preprocessing; robust accuracy says"
        " nothing before that.",
    ),
    "label-order": Meaning(
        "The answers fit the labels far better after a fixed change of the labels: all shifted by"
        " the same number, or classes exchanged.",
        "Give the data the order of classes that the model was trained with.",
    ),
    "probabilities": Meaning(
        "The model returns probabilities instead of logits, so that gradients vanish and attacks"
        " look weaker than they are.",
        "Remove the softmax.",
    ),
    "randomised-forward": Meaning(
        "Two passes over the same images differ: the model draws random numbers.",
        'Use --attack autoattack-rand (attack="autoattack-rand"), which averages over them.',
    ),
    "images-interact": Meaning(
        "The answer for an image depends on the other images of its batch, so that each was"
        " computed in a batch of its own.",
        "Make the model treat each image by itself: users will meet it in batches.",
    ),
    "model-changed": Meaning(
        "Weights or statistics of the model were not the same after the run as before.",
        "Freeze the model; a defence that adapts needs an attack made for it.",
    ),
    "model-dtype": Meaning(
        "The model computes in another precision than float32, and so do search and verdicts.",
        "Load its weights as float32 if the numbers are to be those of other people.",
    ),
    "function-model": Meaning(
        "The model is a function of images and no torch.nn.Module: which weights it has, and"
        " whether it is in eval mode, is known only of the networks that were seen in it.",
        "Write it as a torch.nn.Module if others are to check the number.",
    ),
    "optimises-at-inference": Meaning(
        "A forward pass computes gradients of its own.",
        "Attack it with a method made for this defence: standard attacks may be too weak.",
    ),
    "zero-gradient": Meaning(
        "The gradient was zero on some images, so that gradient attacks had nothing to"
        " follow there.",
        "Look for saturation, rounding or masking in the model; trust Square more than the rest.",
    ),
    "nan-gradient": Meaning(
        "The gradient was NaN or infinite on some images, at least in places, so that gradient"
        " attacks were led astray there.",
        "Look for divisions by zero and roots of zero in the model; trust Square more than the"
        " rest.",
    ),
    "engine-fallback": Meaning(
        "A fast copy of the model was refused or could not be made, so that a slower one or the"
        " model itself was attacked: no less strong.",
        'Nothing, or --engine reference (engine="reference") to say so from the start.',
    ),
    "engine-fault": Meaning(
        "The fast copy of the model failed or disagreed with the model in the course of the run;"
        " what it had searched since its last proof was searched again by the model itself.",
        'Nothing, or --engine reference (engine="reference") to do without the copy from the'
        " start.",
    ),
    "square-breaks": Meaning(
        "Square, which needs no gradient, broke images that the gradient attacks before it had"
        " missed: gradients may be masked.",
        "Do not trust gradient attacks on this model; try an attack made for it.",
    ),
    "protocol-gap": Meaning(
        "The later stages broke far more than is usual after the first one.",
        "Do not quote the first attack, such as PGD, alone.",
    ),
    "curve-stays-up": Meaning(
        "Of a curve only: some images still stand at an eps so large that every image can be made"
        " plain grey: the attack failed where it should not, and gradients may be masked.",
        "Do not trust the curve, nor this attack on this model; try more steps, then an attack made"
        " for it.",
    ),
    "carried-unconfirmed": Meaning(
        "Of a curve only: adversarial images that were verified at one point did not fool the model"
        " when they were looked at again at a later one; they still count as fallen there.",
        "Look for randomness in the model, or for logits that are equal up to rounding.",
    ),
    "skipped-images": Meaning(
        "Some images could not be decoded and were left out.",
        "Repair the files: the numbers are of the images that are left.",
    ),
    "other-decoder": Meaning(
        "Picture files were decoded by another decoder than the model's preprocessing names, so"
        " that its pixels differ a little from those that the model was made for.",
        "Install the package that the detail names, and measure again.",
    ),
    "passed-over-files": Meaning(
        "The folder holds files that were not taken as images of the data set.",
        "Look whether they should have been; the numbers are without them.",
    ),
    "attack-failed": Meaning(
        "An attack of another library raised an error, or returned something else than images: the"
        " images of that batch count as surviving it.",
        "Find out what it wants, or leave it out: what survived it was not attacked by it.",
    ),
    "attack-outside": Meaning(
        "An attack of another library returned images outside of the ball or of [0, 1], or with"
        " pixels that are no numbers: refused, so that these images count as surviving it.",
        "Take an attack of this norm that keeps to a radius; one that looks for the nearest"
        " adversarial image keeps to none.",
    ),
    "attack-meddled": Meaning(
        "An attack of another library changed the model, torch's settings or the images that it was"
        " given; all was put back before anything was verified.",
        "Do not trust what survived it: it searched on another model than this one.",
    ),
    "mixed-sessions": Meaning(
        "The sessions of one journal ran on different devices, versions or settings.",
        "Run again with --fresh (fresh=True) if the numbers must come from one machine.",
    ),
    "mixed-workers": Meaning(
        "The workers of a run on several machines computed on different devices or with different"
        " versions of torch; each agreed with the driver on the logits of the first images.",
        "Run on machines of one kind if the numbers must come from one.",
    ),
    "upper-bound": Meaning(
        "The protocol leaves out much of what AutoAttack tries: the robust accuracy is an upper"
        " bound, and AutoAttack's is probably lower.",
        'Quote it as an upper bound, and --attack autoattack (attack="autoattack") where the number'
        " itself is wanted.",
    ),
    "mixed-pixels": Meaning(
        "On the leaderboard only: Reports of this model are of the same pictures, but not of the"
        " same pixels, as where other decoders made them.",
        "Compare `data.decoder` of the Reports, and measure again where they differ.",
    ),
    "unreliable": Meaning(
        "On the leaderboard only: RobustBench marks its own AutoAttack number of this model as not"
        " to be relied on.",
        "Look for an attack that was made for this model.",
    ),
}


OF_THE_PROTOCOL = frozenset({"upper-bound"})
"""Codes that say something of a protocol, whatever the model: of its number, and of no other."""


class Rank(NamedTuple):
    """Whether a flag costs a model its rank on the leaderboard, and why, in one sentence."""

    is_lost: bool
    why: str


RANK: Mapping[str, Rank] = {
    "clean-at-chance": Rank(True, "What a model that guesses withstands says nothing."),
    "label-order": Rank(True, "Images that count as wrong may be right, and the other way round."),
    "probabilities": Rank(True, "The attacks were weaker than they are on other models."),
    "randomised-forward": Rank(
        True, "One verdict is a draw, and only attacks that average over draws are strong."
    ),
    "images-interact": Rank(
        False, "Search and verdicts were each image's own, so the number is of what it says."
    ),
    "model-changed": Rank(True, "The verdicts are not all of one model."),
    "model-dtype": Rank(
        True, "The other numbers are of float32, and coarser steps can hide a small perturbation."
    ),
    "function-model": Rank(True, "Nobody can tell which model the number is of."),
    "optimises-at-inference": Rank(True, "The attacks were not made for it and may be too weak."),
    "zero-gradient": Rank(True, "The gradient attacks had nothing to follow on some images."),
    "nan-gradient": Rank(True, "The gradient attacks were led astray on some images."),
    "engine-fallback": Rank(
        False, "A slower copy or the model itself was attacked, which is no weaker."
    ),
    "engine-fault": Rank(
        False, "What the faulty copy had searched was searched again by the model itself."
    ),
    "square-breaks": Rank(
        False, "What Square broke counts as broken in the number; the mark says that more may fall."
    ),
    "protocol-gap": Rank(
        False, "What is ranked is the whole protocol, and the later stages are part of it."
    ),
    "curve-stays-up": Rank(
        True, "The attack failed where it should not, so its other numbers may be too high."
    ),
    "carried-unconfirmed": Rank(
        False, "The images were verified once, and a model that draws has a flag of its own."
    ),
    "skipped-images": Rank(
        False, "A table holds numbers of the same images only, so those left are ranked alone."
    ),
    "other-decoder": Rank(
        False, "They are the same pictures up to a level or two, as between any two decoders."
    ),
    "passed-over-files": Rank(
        False, "They are not among the images of the number, which a table knows by their ids."
    ),
    "attack-failed": Rank(True, "What survived an attack that did not take place says nothing."),
    "attack-outside": Rank(
        False, "Each break was verified, and what was refused counts as surviving."
    ),
    "attack-meddled": Rank(True, "It searched on another model than the one that is ranked."),
    "mixed-sessions": Rank(
        False, "Every break was verified, and no setting of a session makes an attack weaker."
    ),
    "mixed-workers": Rank(
        False, "Every break was verified, and no kind of worker makes an attack weaker."
    ),
    "upper-bound": Rank(
        False, "A table holds numbers of the same protocol only, and its heading says so."
    ),
    "mixed-pixels": Rank(
        False, "Each number is of the pixels that its own Report names, whichever they are."
    ),
    "unreliable": Rank(True, "Its own source does not rely on it."),
}
"""A decision for each code. Lost is what makes the number one that its neighbours cannot be
compared with: of another thing, or of attacks that were not what they are on other models. Kept is
what only tells how the number came about, or how far to trust it: a mark beside the rank."""


def costs_rank(code: str) -> bool:
    """Whether a flag with this code costs the rank; one that we do not know may say anything."""
    return code not in RANK or RANK[code].is_lost


def _schema(schema: dict[str, Any]) -> None:
    """The vocabulary in JSON Schema: a sentence for each code, and room for those of later ones."""
    known = [{"const": code, "description": meaning.means} for code, meaning in FLAGS.items()]
    later = {"pattern": schema["pattern"], "description": "of a later version, or a stranger's"}
    schema["anyOf"] = [*known, later]


Code = Annotated[str, Field(pattern=PATTERN, json_schema_extra=_schema)]
"""A flag's code. What this version writes is in `FLAGS`; what it reads may be of a later one."""
