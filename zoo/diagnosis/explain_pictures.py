"""Which other way from picture files to pixels gives the logits that are to be explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eval.data.files.pictures import open_picture
from zoo.diagnosis.changes import Change, Logits
from zoo.diagnosis.explain import EXACT, LIKELY, Guess, mean_distance, passed, single
from zoo.diagnosis.ways import PictureWay, other_geometries, other_kernels, own_way
from zoo.golden.pictures import Drawn
from zoo.golden.record import as_input, batches, pixels_of
from zoo.golden.tolerance import distances
from zoo.model import ZooModel

_SHOWN = ("0-landscape.jpg", "1-portrait.png", "6-turned.jpg")
"""Of the pictures for models that resize, those that are tried first: the others only confirm."""


def explain_pictures(
    model: ZooModel,
    drawn: Sequence[Drawn],
    target: Logits,
    golden: Logits,
    known: Change | None,
    allowed: float,
) -> Guess | None:
    """What was done otherwise to the pictures `drawn`, if a model answers `target`; or None.

    golden: what is answered where nothing was. known: what the raw tensors showed already: that
    alone may be all. allowed: how far a logit may be from a golden one.
    """
    device = model.mean.device
    own = [as_input(pixels_of(model, one)) for one in drawn]
    shown = [batch.to(device) for batch in batches(own)]
    if known is not None and mean_distance(passed(model, known, shown), target) <= EXACT:
        return Guess((), (), 0.0, known)
    before = mean_distance(target, golden)
    guesses = [] if known is not None else list(single(model, shown, target, lambda _: True))
    best = min(guesses, key=lambda guess: guess.after, default=None)
    if best is None or not best.is_exact:
        best = min(
            [*([best] if best else []), *_of_ways(model, drawn, target, known)],
            key=lambda guess: (not guess.is_exact, len(guess.codes) * guess.is_exact, guess.after),
            default=None,
        )
    if best is not None and best.is_exact:
        return best
    if best is not None and best.after <= LIKELY * before:
        return best
    of_jpeg = np.array([one.is_jpeg for one in drawn])
    is_off = distances(target, golden) > allowed
    if of_jpeg.any() and not is_off[~of_jpeg].any():
        noun = "another JPEG decoder: only JPEG pictures differ"
        return Guess(("jpeg decoder",), (noun,), before)
    return None


def _of_ways(
    model: ZooModel, drawn: Sequence[Drawn], target: Logits, known: Change | None
) -> Iterator[Guess]:
    """Other kernels and geometries, then both of the ones that came nearest."""
    way = own_way(model.card.input)
    if way is None:
        return
    some = [at for at, one in enumerate(drawn) if one.name.endswith(_SHOWN)]
    size = model.card.input.size
    kernels = [_guess(model, drawn, target, known, some, *one) for one in other_kernels(way)]
    crops = [_guess(model, drawn, target, known, some, *one) for one in other_geometries(way, size)]
    first, first_way = min((*kernels, *crops), key=lambda pair: pair[0].after)
    yield _confirmed(model, drawn, target, known, first, first_way)
    if first.is_exact:
        return
    others = (
        other_geometries(first_way, size)
        if first.codes[0] in {"resize kernel", "antialiasing"}
        else other_kernels(first_way)
    )
    both = [_guess(model, drawn, target, known, some, *one) for one in others]
    second, second_way = min(both, key=lambda pair: pair[0].after)
    joined = Guess(first.codes + second.codes, first.nouns + second.nouns, second.after)
    yield _confirmed(model, drawn, target, known, joined, second_way)


def _guess(
    model: ZooModel,
    drawn: Sequence[Drawn],
    target: Logits,
    known: Change | None,
    some: list[int],
    code: str,
    noun: str,
    way: PictureWay,
) -> tuple[Guess, PictureWay]:
    after = _left(model, [drawn[at] for at in some], target[some], known, way)
    return Guess((code,), (noun,), after), way


def _confirmed(
    model: ZooModel,
    drawn: Sequence[Drawn],
    target: Logits,
    known: Change | None,
    guess: Guess,
    way: PictureWay,
) -> Guess:
    """The guess, with what it leaves on all pictures."""
    return Guess(guess.codes, guess.nouns, _left(model, drawn, target, known, way), known)


def _left(
    model: ZooModel, drawn: Sequence[Drawn], target: Logits, known: Change | None, way: PictureWay
) -> float:
    shown = batches([_pixels(model, one, way) for one in drawn])
    device = model.mean.device
    logits = passed(model, known, [batch.to(device) for batch in shown])
    return mean_distance(logits, target) if logits.shape == target.shape else float("inf")


def _pixels(model: ZooModel, picture: Drawn, way: PictureWay) -> Tensor:
    pixels = way(_opened(picture), model.card.input.channels)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


@lru_cache(maxsize=8)
def _opened(picture: Drawn) -> Image.Image:
    """Decoded once for all ways, none of which writes into it."""
    return open_picture(picture.content, picture.name)
