"""What a data set is to the instrument: ids, labels, and pixels by position. No torch at import."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from eval.data.files.entries import Passed
from eval.data.files.pictures import Decoder
from eval.data.ids import canonical
from eval.data.positions import Positions, Rows, check_memory, checked, from_the_end
from eval.data.prints import KnowsPrints, Prints
from eval.data.text import nfc
from eval.errors import DataError, UsageError, unknown
from eval.radius import check_text, whole_number

if TYPE_CHECKING:
    from torch import Tensor

_DIGEST_BATCH = 16  # of 600 x 600 pixels in float32, these take 70 MB


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """Some images of a set, in the order asked for.

    ids: B strings; x: (B, C, H, W) float32 in [0, 1], contiguous; y: (B,) int64.
    """

    ids: tuple[str, ...]
    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Batch({len(self)} images of shape {tuple(self.x.shape[1:])})"


class Opening(Protocol):
    """Opens a set of images on whatever machine it is called; it can be pickled."""

    def __call__(self) -> ImageSet:
        """Raises `DataError` where the images are not."""


class PixelSource(Protocol):
    """Where the pixels of a set come from: memory, or files decoded on demand."""

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """Rows (B,) of the source, any order -> (B, C, H, W) float32 in [0, 1], C-contiguous."""

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """The same in pieces of `batch_size` rows, in order; the last piece may be smaller."""

    def problems(self, rows: Rows) -> list[str]:
        """For each row why it cannot be decoded, "" when it can; decodes every one."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """A labelled, ordered set of images with stable ids; a selection of one is one again.

    It is a sequence of (x, y), x (C, H, W) float32 in [0, 1] and y an int: `images[0]`,
    `for x, y in images`, `DataLoader(images, batch_size=32)`. `images[:100]` and `images[[3, 1]]`
    are selections, `images.tensors(100)` gives as many as two tensors.

    name:            the proved name of the data set: "digits", "cifar10", "cifar10-jpeg", ...
    ids:             N unique strings that never change for an image; position = official order.
    labels:          (N,) int64, read-only, each in [0, n_classes).
    official_subset: the first N images, in official order, of the true data set's split.
    layout:          how the files lie where the set was found, for people.
    shortfall:       why a true data set is not here whole and what to do; "" when it is.
    opening:         opens a set with these images again, also on another machine; None if nobody
                     knows how.
    n_skipped:       images left out because they could not be decoded.
    passed_over:     what lay beside the pictures and was not read, counted by reason.
    decoder:         what makes the pixels of picture files; None where there are none.
    """

    name: str
    split: str
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    n_classes: int
    official_subset: bool
    source: PixelSource
    rows: Rows
    layout: str = ""
    shortfall: str = ""
    n_skipped: int = 0
    passed_over: tuple[Passed, ...] = ()
    opening: Opening | None = None
    decoder: Decoder | None = None

    def __post_init__(self) -> None:
        self.labels.flags.writeable = False
        self.rows.flags.writeable = False

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        """One line, for which nothing is decoded."""
        said = [f"{self.name} ({self.split})", f"{len(self)} images", f"{self.n_classes} classes"]
        said += ["official subset"] if self.official_subset else []
        said += [f"{self.n_skipped} left out"] if self.n_skipped else []
        return f"ImageSet({', '.join(said)})"

    def take(self, n: int) -> ImageSet:
        """The first `n` images.

        Raises UsageError when n < 1 or n > len; DataError when the true data set has that many
        but this copy of it does not.
        """
        n = whole_number(n, "n", 100)
        if n > len(self) and self.shortfall:
            raise DataError(f"{self.name}: {n} images were asked for: {self.shortfall}")
        if not 1 <= n <= len(self):
            raise UsageError(
                f"n = {n} is not possible: {self.name} ({self.split}) has {len(self)} images,"
                f" choose 1 to {len(self)}"
            )
        return self.select(range(n))

    def tensors(self, n: int | None = None) -> tuple[Tensor, Tensor]:
        """The images as two tensors, x (N, C, H, W) float32 in [0, 1] and y (N,) int64.

        n: only the first n; default all. For other libraries: foolbox and torchattacks take the
        tensors, the Adversarial Robustness Toolbox `x.numpy()` and `y.numpy()`.

        Raises as `take`, and DataError for more than memory holds.
        """
        chosen = self if n is None else self.take(n)
        check_memory(len(chosen) * self.batch([0]).x.nbytes, chosen._called)
        batch = chosen.batch(range(len(chosen)))
        return batch.x, batch.y

    @overload
    def __getitem__(self, key: int) -> tuple[Tensor, int]: ...
    @overload
    def __getitem__(self, key: Positions) -> ImageSet: ...
    def __getitem__(self, key: int | Positions) -> tuple[Tensor, int] | ImageSet:
        """Of a position (x, y), also from the end; of a slice, a list or a mask a selection.

        Raises UsageError for what is no position, and for none or one twice; it is an IndexError
        too where a position is outside, as whoever walks over a sequence expects.
        """
        if isinstance(key, slice):
            return self.select(range(len(self))[key])
        chosen = from_the_end(key, len(self), self._called)
        if chosen.ndim:
            return self.select(chosen)
        return next(iter(self.__getitems__([int(chosen)])))

    def __getitems__(self, positions: Sequence[int]) -> list[tuple[Tensor, int]]:
        """Several (x, y), read at once: how a `DataLoader` asks."""
        batch = self.batch(from_the_end(positions, len(self), self._called))
        return list(zip(batch.x, map(int, batch.y), strict=True))

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        """Each (x, y), in order."""
        for batch in self.batches(_DIGEST_BATCH):
            yield from zip(batch.x, map(int, batch.y), strict=True)

    def select(self, positions: Sequence[int] | Rows) -> ImageSet:
        """The images at `positions` (each in [0, len), none twice), in the order given.

        The result is an official subset only when the positions are 0, 1, 2, ... of one.
        """
        chosen = checked(positions, len(self), self._called)
        if len(chosen) == 0:
            raise UsageError(f"a selection of {self.name} must hold at least one image, got none")
        if len(np.unique(chosen)) != len(chosen):
            raise UsageError(f"a selection of {self.name} holds the same position twice")
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            labels=self.labels[chosen],
            rows=self.rows[chosen],
            official_subset=self.official_subset
            and bool(np.array_equal(chosen, np.arange(len(chosen)))),
        )

    def select_ids(self, ids: Sequence[str]) -> ImageSet:
        """The images with these ids, in the order given.

        ids: as in `ids`, in either Unicode spelling; those of ImageNet may also be paths, with
        folders and suffix.
        Raises UsageError for the first id that the set does not have, and for one given twice.
        """
        known = {one: position for position, one in enumerate(self.ids)}
        spelled = {nfc(one): one for one in self.ids}
        chosen: dict[int, str] = {}
        for one in ids:
            check_text(one, "ids", "a list of texts, as in the attribute ids of the set")
            meant = canonical(one, known)
            meant = meant if meant in known else spelled.get(nfc(meant), meant)
            if meant not in known:
                raise unknown(f"id of {self.name} ({self.split})", one, self.ids)
            if known[meant] in chosen:
                raise UsageError(f"the id {one!r} of {self.name} ({self.split}) is given twice")
            chosen[known[meant]] = one
        return self.select(list(chosen))

    def subset(self, n: int, *, seed: int, balanced: bool = False) -> ImageSet:
        """`n` images drawn by (seed, id) alone, in the set's order; a larger `n` contains them.

        balanced: draw class by class in turn, so that two classes differ by at most one image
        for as long as both have images left.
        """
        self.take(n)
        keys = [hashlib.sha256(f"{seed}\n{one}".encode()).digest() for one in self.ids]
        order = sorted(range(len(self)), key=keys.__getitem__)
        if balanced:
            n_drawn: Counter[int] = Counter()
            turn = {}
            for position in order:
                label = int(self.labels[position])
                turn[position] = n_drawn[label]
                n_drawn[label] += 1
            order.sort(key=turn.__getitem__)
        return self.select(sorted(order[:n]))

    def without_unreadable(self) -> ImageSet:
        """The set without the images that cannot be decoded, which are counted in `n_skipped`.

        Decodes every image once. Raises DataError when none can be decoded.
        """
        problems = self.source.problems(self.rows)
        good = [position for position, problem in enumerate(problems) if not problem]
        if not good:
            raise DataError(f"no image of {self.name} ({self.split}) can be decoded: {problems[0]}")
        if len(good) == len(self):
            return self
        n_skipped = self.n_skipped + len(self) - len(good)
        return replace(self.select(good), n_skipped=n_skipped, official_subset=False)

    def batch(self, positions: Sequence[int] | Rows) -> Batch:
        """The images at `positions` (each in [0, len); any order) as tensors.

        Raises UsageError for a position outside; DataError when an image cannot be decoded.
        """
        chosen = checked(positions, len(self), self._called)
        return self._as_batch(chosen, self.source.read(self.rows[chosen]))

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All images in order, `batch_size` at a time; the last batch may be smaller."""
        batch_size = whole_number(batch_size, "batch_size", 64)
        if batch_size < 1:
            raise UsageError(f"batch_size = {batch_size} is not possible: give 1 or more")
        start = 0
        for pixels in self.source.stream(self.rows, batch_size):
            yield self._as_batch(np.arange(start, start + len(pixels)), pixels)
            start += len(pixels)

    @cached_property
    def ids_sha256(self) -> str:
        """SHA-256 of the ids joined by newlines: which images, in which order."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    def pixels_sha256(self) -> str:
        """SHA-256 over round(255 * x), half to even, as uint8 NHWC in id order, streamed."""
        return self.prints.pixels_sha256

    @cached_property
    def prints(self) -> Prints:
        """Digests of the pixels: of all together, and of each image. Reads all of them once."""
        if isinstance(self.source, KnowsPrints):
            return self.source.prints(self.rows)
        return Prints.of(self.source.stream(self.rows, _DIGEST_BATCH))

    @property
    def _called(self) -> str:
        """How errors call it."""
        return f"{self.name} ({self.split})"

    def _as_batch(self, positions: Rows, pixels: NDArray[np.float32]) -> Batch:
        import torch

        ids = tuple(self.ids[i] for i in positions)
        return Batch(ids, torch.from_numpy(pixels), torch.from_numpy(self.labels[positions]))
