"""Sets of picture files: decoded when asked for, in worker processes when many are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.cpus import usable_cpus
from eval.data.base import ImageSet
from eval.data.decoded import decoded_once
from eval.data.files.entries import Passed
from eval.data.files.pictures import Preprocess, decoder_of, read_picture
from eval.data.files.stores import PictureStore
from eval.data.positions import Rows
from eval.errors import DataError

_CHUNK = 8  # pictures a worker decodes before it hands them over
_AHEAD = 2  # chunks a worker may be ahead
_FEW = 4 * _CHUNK  # fewer pictures are not worth starting decoders for

Tried = NDArray[Any] | str  # a picture, or why it could not be decoded


@dataclass(frozen=True)
class _Chunks:
    """Map-style data set of the loader: item k is the k-th chunk of decoded pictures."""

    store: PictureStore
    preprocess: Preprocess
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return (len(self.rows) + _CHUNK - 1) // _CHUNK

    def __getitem__(self, k: int) -> list[Tried]:
        if k >= len(self):
            raise IndexError(k)
        return [self.decode(row) for row in self.rows[k * _CHUNK : (k + 1) * _CHUNK]]

    def decode(self, row: int) -> Tried:
        """One picture; a failure travels as a value, since the loader would rewrite the error."""
        try:
            return read_picture(self.store.read(row), self.store.where(row), self.preprocess)
        except DataError as problem:
            return str(problem)


@dataclass(frozen=True, eq=False)
class PictureSource:
    """Picture files through a preprocessing, which must give one shape for all.

    Nothing is kept: every picture is decoded whenever it is asked for, see `eval.data.decoded`.
    """

    store: PictureStore
    preprocess: Preprocess
    n_decoders: int

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        if len(rows) == 0:
            return self.read(np.zeros(1, np.int64))[:0]
        decoder = _Chunks(self.store, self.preprocess, tuple(dict.fromkeys(rows.tolist())))
        if len(decoder.rows) > 1:
            with ThreadPoolExecutor(max_workers=max(1, self.n_decoders)) as pool:
                results = list(pool.map(decoder.decode, decoder.rows))
        else:
            results = [decoder.decode(row) for row in decoder.rows]
        found = {row: _picture(one) for row, one in zip(decoder.rows, results, strict=True)}
        return _batch([found[row] for row in rows.tolist()])

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        pictures = (_picture(one) for one in self._tried(rows.tolist()))
        while some := list(islice(pictures, batch_size)):
            yield _batch(some)

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`."""
        return [one if isinstance(one, str) else "" for one in self._tried(rows.tolist())]

    def _tried(self, rows: Sequence[int]) -> Iterator[Tried]:
        """Every picture in order, from worker processes where there are many."""
        chunks = _Chunks(self.store, self.preprocess, tuple(rows))
        if self.n_decoders < 1 or len(rows) <= _FEW:
            for k in range(len(chunks)):
                yield from chunks[k]
            return
        from torch.utils.data import DataLoader

        loader: DataLoader[Any] = DataLoader(
            chunks,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=min(self.n_decoders, len(chunks)),
            prefetch_factor=_AHEAD,
            collate_fn=_unchanged,
        )
        try:
            for chunk in loader:
                yield from chunk
        except RuntimeError as problem:
            raise DataError(
                f"a process that decodes pictures died ({problem}); it may have run out of memory:"
                " use fewer `decoders`"
            ) from None


def picture_set(
    store: PictureStore,
    labels: Sequence[int] | NDArray[np.integer[Any]],
    ids: Sequence[str],
    preprocess: Preprocess,
    *,
    name: str,
    split: str,
    n_classes: int,
    official_subset: bool,
    layout: str,
    n_decoders: int | None = None,
    passed_over: tuple[Passed, ...] = (),
) -> ImageSet:
    """The set of a store's pictures, in the store's order; each is decoded once if it can be kept.

    n_decoders: processes that decode; default one a core, at most 16; 0 decodes in this process.
    """
    decoders = min(usable_cpus(), 16) if n_decoders is None else n_decoders
    images = ImageSet(
        name=name,
        split=split,
        ids=tuple(ids),
        labels=np.asarray(labels).astype(np.int64),
        n_classes=n_classes,
        official_subset=official_subset,
        source=PictureSource(store, preprocess, decoders),
        rows=np.arange(len(ids), dtype=np.int64),
        layout=layout,
        passed_over=passed_over,
        decoder=decoder_of(preprocess),
    )
    return decoded_once(images)


def _unchanged(chunk: list[Tried]) -> list[Tried]:
    # Plain pickling: the loader's own way needs /dev/shm, which containers make small.
    return chunk


def _picture(one: Tried) -> NDArray[Any]:
    if isinstance(one, str):
        raise DataError(
            f"{one}; replace the file, or leave such pictures out with `without_unreadable()`"
        )
    return one


def _batch(pictures: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Pictures (H, W, C), uint8 or float32 in [0, 1] -> (B, C, H, W) float32 in [0, 1]."""
    shapes = {picture.shape for picture in pictures}
    if len(shapes) != 1:
        raise DataError(
            f"the pictures have different shapes, {' and '.join(map(str, sorted(shapes)[:2]))};"
            " give the preprocessing of a model, which makes them one size"
        )
    stacked = np.stack(pictures)
    pixels = np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), dtype=np.float32)
    if stacked.dtype == np.uint8:
        pixels /= np.float32(255)
    return pixels
