"""Sets of images held in memory: what the small loaders end in, and the user's own arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.data.base import ImageSet
from eval.data.files.entries import Passed
from eval.data.labels import checked_labels
from eval.data.pixels import CHANNELS, Stored, as_array, check_layout, checked_pixels
from eval.data.positions import Rows
from eval.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

# These names say that a loader has proved the pictures; an array in memory proves nothing.
PROVED_NAMES = (
    "digits", "cifar10", "cifar10-folder", "cifar10-jpeg", "imagenet", "imagenet-partial", "folder",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Images in memory, kept as stored and divided by `scale` only when a batch is asked for.

    images: (N, C, H, W), uint8 (0..scale) or float32 in [0, 1] with scale 1.
    """

    images: Stored
    scale: int

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        # A true division: multiplying by 1/255 would differ from ToTensor in the last bit.
        return self.images[rows].astype(np.float32) / np.float32(self.scale)

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        """See `PixelSource.problems`."""
        return [""] * len(rows)


def from_arrays(
    images: ArrayLike | Tensor,
    labels: ArrayLike | Tensor,
    ids: Sequence[str] | None = None,
    *,
    name: str = "custom",
    n_classes: int | None = None,
) -> ImageSet:
    """A set from images as NumPy has them: (N, H, W, C) with C of 1 to 4, or (N, H, W).

    images: an array, a list or a tensor; uint8 in 0..255, or floats in [0, 1] (kept as float32).
    labels: (N,) integers from 0, of any kind; n_classes defaults to the largest label + 1.
    ids:    N unique strings; default "0", "1", ...
    Raises UsageError for shapes, types, lengths and names that cannot be; DataError for pixels
    outside [0, 1], NaN or infinity.
    """
    found = as_array(images, "images")
    if found.ndim == 3:
        found = found[..., None]
    if found.ndim != 4 or found.shape[-1] not in CHANNELS:
        raise UsageError(
            f"images have shape {found.shape}, expected (N, H, W, C) with 1 to 4 channels last;"
            " give channels first as tensors to from_tensors"
        )
    return _from_nchw(found.transpose(0, 3, 1, 2), labels, ids, name, n_classes)


def from_tensors(
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    ids: Sequence[str] | None = None,
    *,
    name: str = "custom",
    n_classes: int | None = None,
) -> ImageSet:
    """A set from images as torch has them: x (N, C, H, W), y (N,) integer labels.

    x: a tensor on any device, an array, a list; uint8 in 0..255 or floats in [0, 1]. Half precision
    is kept as the numbers that it holds; bfloat16, which cannot hold 8-bit pictures, is refused.
    The other arguments and Raises are those of `from_arrays`. Copies to the CPU.
    """
    images = as_array(x, "x")
    check_layout(images.shape, "x")
    return _from_nchw(images, y, ids, name, n_classes)


def _from_nchw(
    images: NDArray[Any],
    labels: ArrayLike | Tensor,
    ids: Sequence[str] | None,
    name: str,
    n_classes: int | None,
) -> ImageSet:
    if name in PROVED_NAMES:
        raise UsageError(
            f"name {name!r} is kept for pictures that the loader of that data set has proved;"
            " choose another name, or use open_data"
        )
    if 0 in images.shape:
        raise UsageError(f"images of shape {images.shape} hold nothing: give at least one image")
    stored, scale = checked_pixels(images)
    checked = checked_labels(labels, len(images), n_classes)
    return in_memory(
        stored,
        checked,
        _checked_ids(ids, len(images)),
        name=name,
        split="all",
        n_classes=n_classes or int(checked.max()) + 1,
        scale=scale,
        official_subset=False,
        layout="arrays in memory",
    )


def in_memory(
    images: Stored,
    labels: NDArray[np.int64],
    ids: Sequence[str],
    *,
    name: str,
    split: str,
    n_classes: int,
    scale: int,
    official_subset: bool,
    layout: str,
    shortfall: str = "",
    passed_over: tuple[Passed, ...] = (),
) -> ImageSet:
    """The set of these (N, C, H, W) images, which a loader has already checked."""
    return ImageSet(
        name=name,
        split=split,
        ids=tuple(ids),
        labels=labels,
        n_classes=n_classes,
        official_subset=official_subset,
        source=ArraySource(_contiguous(images), scale),
        rows=np.arange(len(images), dtype=np.int64),
        layout=layout,
        shortfall=shortfall,
        passed_over=passed_over,
    )


def _contiguous(images: Stored) -> Stored:
    result: Stored = np.ascontiguousarray(images)  # type: ignore[assignment]
    return result


def _checked_ids(ids: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if ids is None:
        return tuple(str(i) for i in range(n))
    if len(ids) != n:
        raise UsageError(f"there are {n} images and {len(ids)} ids; give one id an image")
    for one in ids:
        if not isinstance(one, str) or not one or "\n" in one:
            raise UsageError(f"id {one!r} must be a string of one line that is not empty")
    if len(set(ids)) != n:
        raise UsageError(f"ids must be unique, and {n - len(set(ids))} of {n} are repetitions")
    return tuple(ids)
