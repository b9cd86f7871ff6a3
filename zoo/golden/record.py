"""What a model answers on the fixed images, written down."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.data.files.pictures import read_picture
from eval.errors import WeightsMismatch
from eval.processor import processor
from zoo.golden.file import AboutGolden, Golden, PictureFacts
from zoo.golden.pictures import Drawn, pictures, set_for
from zoo.golden.raw import IMAGES, SEED, answers, raw_images, raw_sha256, raw_size
from zoo.model import ZooModel
from zoo.preprocess import for_card

__all__ = ["as_input", "batches", "pixels_of", "pixels_sha256", "record"]

_PIXELS = 8 * 224 * 224  # of a batch: eight at 224, one at 600


def record(model: ZooModel, weights_sha256: str, *, with_pictures: bool = True) -> Golden:
    """The golden logits of `model`, whose weight file has this digest.

    model: in eval mode. with_pictures: also pass its eight pictures, at the size of its card: for
    the largest networks a minute on a CPU.

    Raises `WeightsMismatch` if a logit is not finite.
    """
    card = model.card
    size = raw_size(card.input)
    raw = _answered(model, [raw_images(card.input.channels, size)])
    chosen, facts, shown = _pictures(model) if with_pictures else ((), (), [])
    of_pictures = _answered(model, batches(shown)) if shown else np.zeros((0, raw.shape[1]), "f4")
    device = next(iter(model.buffers())).device
    about = AboutGolden(
        name=card.name,
        weights_sha256=weights_sha256,
        arch=card.arch,
        activation=card.activation,
        classes=raw.shape[1],
        input=card.input,
        images=IMAGES,
        seed=SEED,
        raw_size=size,
        raw_sha256=raw_sha256(card.input.channels, size),
        pictures=facts,
        no_pictures="" if chosen else _why_none(model, with_pictures),
        torch=torch.__version__,
        pillow=version("pillow"),
        device=device.type,
        processor=processor(device),
        written_by=f"sat-zoo {version('sat-zoo')}",
    )
    return Golden(about, raw, of_pictures)


def pixels_of(model: ZooModel, picture: Drawn) -> NDArray[np.generic]:
    """A picture through the preprocessing of the model's card: (H, W, C). Raises `DataError`."""
    return read_picture(picture.content, picture.name, for_card(model.card))


def pixels_sha256(pixels: NDArray[np.generic]) -> str:
    """SHA-256 of what preprocessing made of a picture."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def as_input(pixels: NDArray[np.generic]) -> Tensor:
    """(H, W, C), uint8 or float32 in [0, 1], as the (C, H, W) that a network takes."""
    scaled = pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        scaled /= np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def batches(images: list[Tensor]) -> list[Tensor]:
    """Images of one shape in batches that a small machine can pass at once."""
    at_once = max(1, _PIXELS // (images[0].shape[-1] * images[0].shape[-2]))
    return [torch.stack(images[at : at + at_once]) for at in range(0, len(images), at_once)]


def _answered(model: ZooModel, shown: list[Tensor]) -> NDArray[np.float32]:
    device = next(iter(model.buffers())).device
    logits = np.concatenate([answers(model, batch.to(device)) for batch in shown])
    if not np.isfinite(logits).all():
        raise WeightsMismatch(
            f"{model.card.name}: the network answers with logits that are not finite: the weights"
            " are damaged, or are of another network"
        )
    return logits


def _pictures(
    model: ZooModel,
) -> tuple[tuple[Drawn, ...], tuple[PictureFacts, ...], list[Tensor]]:
    name = set_for(model.card.input)
    if name is None:
        return (), (), []
    chosen = pictures(name)
    pixels = [pixels_of(model, picture) for picture in chosen]
    facts = tuple(
        PictureFacts(
            name=picture.name,
            sha256=hashlib.sha256(picture.content).hexdigest(),
            pixels_sha256=pixels_sha256(one),
        )
        for picture, one in zip(chosen, pixels, strict=True)
    )
    return chosen, facts, [as_input(one) for one in pixels]


def _why_none(model: ZooModel, with_pictures: bool) -> str:
    if not with_pictures:
        return "not asked for"
    spec = model.card.input
    return (
        f"no preprocessing, and no pictures of {spec.size} x {spec.size} with {spec.channels}"
        " channels are among the fixed ones"
    )
