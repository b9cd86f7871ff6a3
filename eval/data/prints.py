"""Digests of pixels: of a whole set for its Report, of each image for whoever reads it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from eval.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eval.data.base import ImageSet
    from eval.data.positions import Rows

N_BYTES = 16
"""Of an image's digest: two of 2^64 images would have to be looked at for one to be mistaken."""


class OtherPixels(DataError):
    """An image is not the one that was meant, though its id is."""


@dataclass(frozen=True, eq=False)
class Prints:
    """What tells pixels apart.

    pixels_sha256: of all together, see `ImageSet.pixels_sha256`.
    each: (N, 16) uint8, BLAKE2b of the float32 pixels (C, H, W) of each image, to the bit.
    """

    pixels_sha256: str
    each: NDArray[np.uint8]

    @classmethod
    def of(cls, pieces: Iterable[NDArray[np.float32]]) -> Self:
        """Of the pixels (B, C, H, W) of all `pieces`, in order."""
        levels_digest, each = hashlib.sha256(), []
        for pixels in pieces:
            levels = np.rint(pixels * np.float32(255)).astype(np.uint8)
            levels_digest.update(np.ascontiguousarray(levels.transpose(0, 2, 3, 1)).tobytes())
            each.append(prints_of(pixels))
        return cls(levels_digest.hexdigest(), np.concatenate(each))


def prints_of(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(B, C, H, W) -> (B, 16), see `Prints.each`."""
    found = [
        hashlib.blake2b(np.ascontiguousarray(one).tobytes(), digest_size=N_BYTES).digest()
        for one in pixels
    ]
    return np.frombuffer(b"".join(found), np.uint8).reshape(len(pixels), N_BYTES)


def check_prints(
    images: ImageSet, positions: Rows, found: NDArray[np.uint8], wanted: NDArray[np.uint8]
) -> None:
    """Raises `OtherPixels` where the digests (B, 16) of the images at `positions` are others."""
    if other := np.flatnonzero((found != wanted).any(1)).tolist():
        first = images.ids[int(positions[other[0]])]
        raise OtherPixels(
            f"{images.name} ({images.split}): the pixels of {first!r} are others here"
            f" ({bytes(found[other[0]]).hex()[:12]} instead of"
            f" {bytes(wanted[other[0]]).hex()[:12]}): bring the same files to this machine"
        )


@runtime_checkable
class KnowsPrints(Protocol):
    """A `PixelSource` whose pixels lie elsewhere, where they are digested."""

    def prints(self, rows: Rows) -> Prints:
        """Of these rows, in this order."""


@dataclass(frozen=True, eq=False)
class CheckedPixels:
    """The pixels of `images`, of which none passes that has another digest than `each` says.

    A row is a position in `images`. each: (N, 16), as in `Prints`.
    """

    images: ImageSet
    each: NDArray[np.uint8]

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`. Raises `OtherPixels`."""
        pixels = self.images.source.read(self.images.rows[rows])
        check_prints(self.images, rows, prints_of(pixels), self.each[rows])
        return pixels

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`. Raises `OtherPixels`."""
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`."""
        return self.images.source.problems(self.images.rows[rows])
