"""Each picture is decoded once: what a source has decoded is kept while memory allows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.data.arrays import ArraySource
from eval.data.base import ImageSet, PixelSource
from eval.data.pixels import Stored
from eval.data.positions import Rows
from eval.data.prints import KnowsPrints
from eval.errors import DataError

MOST_BYTES = 2**31
"""Of decoded pixels that are kept of one source, 2 GiB: 10,000 pictures of 224 x 224 with 8 bits a
channel, 3,500 of them in float32."""

SHARE_OF_FREE = 0.25
"""Of the memory that is free when the first picture is kept; never more than this is taken."""

_TRIED_AT_ONCE = 512  # pictures that are decoded again if one among them cannot be


def decoded_once(images: ImageSet) -> ImageSet:
    """The same set, with a source that decodes each picture once as far as memory allows.

    Images that lie in memory or on another machine, and a set that does so already, are given back
    as they are. A
    selection of the result shares what is kept with it.
    """
    if isinstance(images.source, ArraySource | Decoded | KnowsPrints):
        return images
    return replace(images, source=Decoded(images.source))


@dataclass(eq=False)
class Decoded:
    """The pixels of `inner`, to the bit, each decoded once as long as it can be kept.

    Kept are the pictures that come first, in 8 bits where that is exact, up to `limit_bytes`; they
    stay for as long as this object does, and the others are decoded whenever they are asked for: a
    run passes over its images in order, again and again, so that pictures which took each other's
    places would all be decoded again. A file that is changed after its picture was kept is not
    looked at again. Threads may read at the same time; to another process only `inner` travels.

    limit_bytes: default `MOST_BYTES` or `SHARE_OF_FREE`, whichever is less.
    """

    inner: PixelSource
    limit_bytes: int | None = None
    _kept: dict[int, Stored] = field(default_factory=dict, init=False, repr=False)
    _n_bytes: int = field(default=0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        missing = self._missing(rows)
        if len(rows) == 0 or len(missing) == len(rows):
            pixels = self.inner.read(rows)
            for row, picture in zip(rows.tolist(), pixels, strict=True):
                self._keep(row, picture)
            return pixels
        fresh: dict[int, NDArray[np.float32]] = {}
        if len(missing):
            fresh = dict(zip(missing.tolist(), self.inner.read(missing), strict=True))
            for row, picture in fresh.items():
                self._keep(row, picture)
        found = [fresh[row] if row in fresh else self._kept[row] for row in rows.tolist()]
        return self._batch(rows, found)

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        missing = self._missing(rows)
        # One by one: pictures that meet in a piece of `inner` need not meet in a piece of `rows`.
        fresh, to_come = self.inner.stream(missing, 1), deque(missing.tolist())
        for start in range(0, len(rows), batch_size):
            piece = rows[start : start + batch_size]
            found: list[Stored] = []
            for row in piece.tolist():
                if to_come and to_come[0] == row:
                    picture = next(fresh)[0]
                    to_come.popleft()
                    self._keep(row, picture)
                    found.append(picture)
                elif row in self._kept:
                    found.append(self._kept[row])
                else:  # asked for twice, and there was no room for it
                    found.append(self.inner.read(np.array([row]))[0])
            yield self._batch(piece, found)

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`; what can be decoded is kept."""
        missing, problems = self._missing(rows), dict[int, str]()
        for start in range(0, len(missing), _TRIED_AT_ONCE):
            some = missing[start : start + _TRIED_AT_ONCE]
            try:
                for row, one in zip(some.tolist(), self.inner.stream(some, 1), strict=True):
                    self._keep(row, one[0])
            except DataError:
                problems |= zip(some.tolist(), self.inner.problems(some), strict=True)
        return [problems.get(row, "") for row in rows.tolist()]

    def __getstate__(self) -> dict[str, Any]:
        return {"inner": self.inner, "limit_bytes": self.limit_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _missing(self, rows: Rows) -> Rows:
        """Those of `rows` that are not kept, in order and each once."""
        wanted = dict.fromkeys(rows.tolist())
        return np.array([row for row in wanted if row not in self._kept], np.int64)

    def _keep(self, row: int, picture: NDArray[np.float32]) -> None:
        if self.limit_bytes is None:
            self.limit_bytes = _limit()
        # A quarter of its bytes is the least that a picture takes.
        if row in self._kept or self._n_bytes + picture.nbytes // 4 > self.limit_bytes:
            return
        stored = as_stored(picture)
        with self._lock:
            if row not in self._kept and self._n_bytes + stored.nbytes <= self.limit_bytes:
                self._n_bytes += stored.nbytes
                self._kept[row] = stored

    def _batch(self, rows: Rows, pictures: Sequence[Stored]) -> NDArray[np.float32]:
        """The `pictures` (C, H, W) of `rows` as one (B, C, H, W) float32 array of its own."""
        shape = pictures[0].shape
        if any(picture.shape != shape for picture in pictures):
            return self.inner.read(rows)  # which says what is wrong with that
        pixels = np.empty((len(pictures), *shape), np.float32)
        for place, picture in zip(pixels, pictures, strict=True):
            if picture.dtype == np.uint8:
                np.divide(picture, np.float32(255), out=place, dtype=np.float32)
            else:
                place[...] = picture
        return pixels


def as_stored(picture: NDArray[np.float32]) -> Stored:
    """A copy of one picture or several: uint8 if dividing by 255 gives the bits, else float32."""
    copy = picture.astype(np.float32, order="C")
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity are no level of 255
        levels = np.rint(copy * np.float32(255)).clip(0, 255).astype(np.uint8)
    back = levels / np.float32(255)
    return levels if np.array_equal(back.view(np.uint32), copy.view(np.uint32)) else copy


def _limit() -> int:
    import torch

    from eval.engine.batching import free_bytes

    return min(MOST_BYTES, int(SHARE_OF_FREE * free_bytes(torch.device("cpu"))))
