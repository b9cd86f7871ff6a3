"""From whatever holds labels to one checked array of class numbers. No torch at import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.data.pixels import as_array
from eval.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def checked_labels(
    given: ArrayLike | Tensor | Sequence[Tensor], n: int, n_classes: int | None = None
) -> NDArray[np.int64]:
    """(N,) int64, each in [0, n_classes) where that is known.

    given: whole numbers of any integer type: an array, a tensor on any device, a list of numbers
    or of 0-d tensors.
    Raises UsageError for other types and shapes, another number than `n`, and negative labels.
    """
    labels = as_array(given, "labels")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise UsageError(
            f"labels are {labels.dtype} of shape {labels.shape}: give whole numbers of shape"
            f" ({n},){_what_to_do(labels)}"
        )
    if len(labels) != n:
        raise UsageError(f"there are {n} images and {len(labels)} labels; give one label an image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise UsageError(f"label {low} is negative; classes are counted from 0")
    if n_classes is not None and high >= n_classes:
        raise UsageError(f"label {high} does not fit n_classes = {n_classes}")
    return labels.astype(np.int64)


def _what_to_do(labels: NDArray[np.generic]) -> str:
    if labels.ndim == 2 and labels.shape[1] == 1:
        return ", y.reshape(-1)"
    if labels.ndim == 2:
        return ": of one-hot rows y.argmax(1), and probabilities of classes are no labels"
    if labels.ndim == 1 and labels.dtype.kind == "f":
        return ", y.long() of a tensor or y.astype(int) of an array"
    return ""
