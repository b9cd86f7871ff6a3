"""Pictures that were read once, kept as small as they can be to the bit. No torch at import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.data.arrays import in_memory
from eval.data.base import ImageSet
from eval.data.decoded import as_stored
from eval.data.pixels import Stored, check_not_dark, check_range, checked_pixels
from eval.errors import DataError

SHARE_OF_FREE = 0.5
"""Of the free memory that pictures may take, when the first of them is read."""


def other_shape(position: int, shape: tuple[int, ...], first: tuple[int, ...]) -> DataError:
    """What it is that the picture at `position` has another shape than the first one."""
    return DataError(
        f"picture {position} has shape {shape} and the first one {first}: bring all to one size, as"
        " Resize and CenterCrop do"
    )


@dataclass(eq=False)
class Kept:
    """The pictures that were read so far, as small as they can be kept to the bit.

    n_wanted: how many they will be, None if nobody knows. is_all: the data say that they have no
    more, so that one more is an error; else the others are not wanted.
    """

    argument: str
    n_wanted: int | None
    is_all: bool
    pieces: list[Stored] = field(default_factory=list)
    labels: list[NDArray[np.int64]] = field(default_factory=list)
    n: int = 0
    n_bytes: int = 0
    limit: int | None = None
    high: float = 0.0
    images: Stored | None = None

    def add(self, first: int, x: NDArray[Any], y: NDArray[np.int64]) -> None:
        """Take the next pictures."""
        if self.n_wanted is not None:
            if self.is_all and len(x) > self.n_wanted - self.n:
                raise DataError(
                    f"`{self.argument}` gives more than the {self.n_wanted} images that it says it"
                    " has: mend its length, or a collate_fn that adds some"
                )
            x, y = x[: self.n_wanted - self.n], y[: self.n_wanted - self.n]
        stored = _smallest(x)
        if self.pieces and stored.shape[1:] != self.pieces[0].shape[1:]:
            raise other_shape(first, stored.shape[1:], self.pieces[0].shape[1:])
        self.high = max(self.high, float(stored.max()) / (255 if stored.dtype == np.uint8 else 1))
        self.pieces.append(stored)
        self.labels.append(y)
        self.n += len(x)
        self.n_bytes += stored.nbytes
        self._check_memory(stored)

    def _check_memory(self, last: Stored) -> None:
        if self.limit is None:
            self.limit = _limit()
        all_bytes = self.n_bytes
        if self.n_wanted is not None:
            all_bytes += (self.n_wanted - self.n) * (last.nbytes // len(last))
        if all_bytes <= self.limit:
            return
        fits = max(1, int(self.n * self.limit / max(self.n_bytes, 1)))
        of = f" of {self.n_wanted:,}" if self.n_wanted is not None else ""
        raise DataError(
            f"the pictures of `{self.argument}` are read into memory, and {self.limit / 1e9:.1f} GB"
            f" of it hold about {fits:,}{of}: give a smaller `n`, or read them from their files, a"
            " batch at a time, with eval.open_data('folder', data_dir=..., preprocess=...)"
        )

    def as_set(self, kind: str) -> ImageSet:
        """All of them, as an image set."""
        check_not_dark(self.high)
        scale = 255 if all(piece.dtype == np.uint8 for piece in self.pieces) else 1
        images: Any = np.empty((self.n, *self.pieces[0].shape[1:]), "u1" if scale > 1 else "f4")
        done = 0
        while self.pieces:  # each is let go as soon as it is copied
            piece = self.pieces.pop(0)
            images[done : done + len(piece)] = piece if scale > 1 else _floats(piece)
            done += len(piece)
        labels = np.concatenate(self.labels)
        self.images = images
        return in_memory(
            images,
            labels,
            [str(i) for i in range(self.n)],
            name="custom",
            split="all",
            n_classes=int(labels.max()) + 1,
            scale=scale,
            official_subset=False,
            layout=f"a {kind}, read into memory",
        )

    def compare(self, first: int, x: NDArray[Any], y: NDArray[np.int64]) -> None:
        """Raises DataError where pictures or labels are not those that were read before."""
        assert self.images is not None
        x, y = x[: self.n - first], y[: self.n - first]
        again, before = _floats(_smallest(x)), _floats(self.images[first : first + len(x)])
        labels = np.concatenate(self.labels)[first : first + len(y)]
        if len(x) and again.shape == before.shape and np.array_equal(y, labels):
            other = np.flatnonzero((again != before).reshape(len(x), -1).any(1))
            if not len(other):
                return
            first += int(other[0])
        raise DataError(
            f"picture {first} of `{self.argument}` is another one when it is read again, so that no"
            " number would be of the same pictures twice: take augmentation by chance out of the"
            " transforms, and shuffling out of the order"
        )


def _smallest(x: NDArray[Any]) -> Stored:
    if x.dtype != np.uint8 and x.dtype.kind == "f" and len(x):
        check_range(float(x.min()), float(x.max()))
        return as_stored(x.astype(np.float32))
    # 0 and 1 alone are a mistake in a whole set, and may be in a few pictures of 8 bits.
    return x.copy() if x.dtype == np.uint8 else checked_pixels(x)[0]


def _floats(piece: Stored) -> NDArray[np.float32]:
    return piece / np.float32(255) if piece.dtype == np.uint8 else piece  # type: ignore[return-value]


def _limit() -> int:
    import torch

    from eval.engine.batching import free_bytes

    return int(SHARE_OF_FREE * free_bytes(torch.device("cpu")))
