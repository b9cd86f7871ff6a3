"""Sets of images held in memory: what the small loaders end in, and the user's own arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.data.base import ImageSet, Rows
from eval.data.files.entries import Passed
from eval.errors import DataError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Stored = NDArray[np.uint8] | NDArray[np.float32]
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
    images: NDArray[Any],
    labels: NDArray[Any] | Sequence[int],
    ids: Sequence[str] | None = None,
    *,
    name: str = "custom",
    n_classes: int | None = None,
) -> ImageSet:
    """A set from NumPy images: (N, H, W, C) with C of 1 to 4, or (N, H, W); channels last.

    images: uint8 in 0..255, or floats in [0, 1] (kept as float32).
    labels: (N,) integers from 0; n_classes defaults to the largest label + 1.
    ids:    N unique strings; default "0", "1", ...
    Raises UsageError for shapes, types, lengths and names that cannot be; DataError for pixels
    outside [0, 1], NaN or infinity.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 2, 3, 4):
        raise UsageError(
            f"images have shape {images.shape}, expected (N, H, W, C) with 1 to 4 channels last;"
            " give channels first as tensors to from_tensors"
        )
    return _from_nchw(images.transpose(0, 3, 1, 2), labels, ids, name, n_classes)


def from_tensors(
    x: Tensor,
    y: Tensor,
    ids: Sequence[str] | None = None,
    *,
    name: str = "custom",
    n_classes: int | None = None,
) -> ImageSet:
    """A set from tensors: x (N, C, H, W), float in [0, 1] or uint8; y (N,) integer labels.

    The other arguments and Raises are those of `from_arrays`. Copies to the CPU.
    """
    images = x.detach().cpu()
    if images.dtype.is_floating_point:
        images = images.float()  # NumPy has no bfloat16
    if images.ndim != 4:
        raise UsageError(f"x has shape {tuple(images.shape)}, expected (N, C, H, W)")
    return _from_nchw(images.numpy(), y.detach().cpu().numpy(), ids, name, n_classes)


def _from_nchw(
    images: NDArray[Any],
    labels: NDArray[Any] | Sequence[int],
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
    stored, scale = _checked_pixels(images)
    checked = _checked_labels(np.asarray(labels), len(images), n_classes)
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


def _checked_pixels(images: NDArray[Any]) -> tuple[Stored, int]:
    """The images as stored (a copy: the caller may write into his own) and their scale."""
    if images.dtype == np.uint8:
        return images.copy(), 255
    if images.dtype.kind != "f":
        raise UsageError(
            f"images are {images.dtype}: give uint8 in 0..255 or floating point in [0, 1]"
        )
    low, high = float(images.min()), float(images.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("images hold NaN or infinity; every pixel must be a number in [0, 1]")
    if low < 0 or high > 1:
        raise DataError(
            f"images reach from {low:g} to {high:g}, but floating-point pixels must lie in [0, 1];"
            " divide by 255, or undo the normalisation (the model applies it itself)"
        )
    return images.astype(np.float32), 1


def _checked_labels(labels: NDArray[Any], n: int, n_classes: int | None) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise UsageError(
            f"labels are {labels.dtype} of shape {labels.shape}: give whole numbers of shape ({n},)"
        )
    if len(labels) != n:
        raise UsageError(f"there are {n} images and {len(labels)} labels; give one label an image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise UsageError(f"label {low} is negative; classes are counted from 0")
    if n_classes is not None and high >= n_classes:
        raise UsageError(f"label {high} does not fit n_classes = {n_classes}")
    return labels.astype(np.int64)


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
