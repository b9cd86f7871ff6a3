"""Where training batches come from: a data set in memory as uint8, or what acts like one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from eval.data import ImageSet
from eval.data.arrays import ArraySource
from eval.errors import DataError
from zoo.cards import ModelCard
from zoo.train.data.augment import augment
from zoo.train.recipe import Recipe

_READ_AT_ONCE = 256


class Feed(Protocol):
    """Training images by position."""

    def __len__(self) -> int:
        """Number of training images."""

    def batches(
        self, positions: list[Tensor], generator: torch.Generator, *, epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """For each (B,) tensor of positions: x (B, C, H, W) in [0, 1], augmented, and y (B,)."""


@dataclass(frozen=True, eq=False)
class MemoryFeed:
    """A data set in the memory of the device.

    images: (N, C, H, W) uint8, 0..scale; y: (N,) int64.
    """

    images: Tensor
    scale: int
    y: Tensor
    recipe: Recipe

    def __len__(self) -> int:
        return len(self.images)

    def batches(
        self, positions: list[Tensor], generator: torch.Generator, *, epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Feed.batches`."""
        for batch in positions:
            chosen = batch.to(self.images.device)
            images = augment(self.images[chosen], self.recipe, generator)
            yield self.as_float(images), self.y[chosen]

    def as_float(self, images: Tensor) -> Tensor:
        """uint8 pixels to float32 in [0, 1], in the memory layout of the recipe."""
        x = images.float() / self.scale
        layout = torch.channels_last if self.recipe.channels_last else torch.contiguous_format
        return x.contiguous(memory_format=layout)


@dataclass(frozen=True, eq=False)
class Split:
    """The training images, and those held out of them for choosing the model."""

    training: ImageSet
    validation: ImageSet | None


def split(data: ImageSet, recipe: Recipe) -> Split:
    """Hold `validation_images` out, drawn by their ids alone and equally from the classes.

    The draw does not depend on the recipe's seed, so that models compare on the same images.
    Raises DataError if nothing would be left to train on.
    """
    n = recipe.validation_images
    if n == 0:
        return Split(data, None)
    if n >= len(data):
        raise DataError(
            f"validation_images: {n} leaves nothing of the {len(data)} training images of"
            f" {data.name}: lower it in the recipe"
        )
    held_out = data.subset(n, seed=0, balanced=True)
    names = set(held_out.ids)
    rest = [i for i, one in enumerate(data.ids) if one not in names]
    return Split(data.select(rest), held_out)


def memory_feed(
    data: ImageSet, info: ModelCard, recipe: Recipe, device: torch.device
) -> MemoryFeed:
    """The images of `data` for the model `info`, as 8-bit pixels.

    What is not stored with 8 bits, a resized picture say, is rounded to them.
    Raises DataError if the images have another size or other classes than the card says.
    """
    check_fits(data, info)
    y = torch.from_numpy(data.labels.copy()).to(device)
    if isinstance(data.source, ArraySource) and data.source.images.dtype == np.uint8:
        images = torch.from_numpy(data.source.images[data.rows])
        return MemoryFeed(images.to(device), data.source.scale, y, recipe)
    levels = [(255 * batch.x).round().byte() for batch in data.batches(_READ_AT_ONCE)]
    return MemoryFeed(torch.cat(levels).to(device), 255, y, recipe)


def check_fits(data: ImageSet, info: ModelCard) -> None:
    """Refuse images of another size, or labels the network has no output for."""
    shape = tuple(data.batch([0]).x.shape[1:])
    wanted = (info.input.channels, info.input.size, info.input.size)
    if shape != wanted:
        raise DataError(
            f"images of {data.name} have shape {shape}, {info.name} takes {wanted}: train on"
            f" {info.dataset}, or on images of that size"
        )
    if int(data.labels.max()) >= info.classes:
        raise DataError(
            f"{data.name} has the label {int(data.labels.max())}, {info.name} has"
            f" {info.classes} classes, counted from 0"
        )
