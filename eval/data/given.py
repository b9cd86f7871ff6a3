"""What people hand over as data, whatever it is, becomes an `ImageSet` here and nowhere else.

No torch at import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from numpy.typing import ArrayLike

from eval.data.arrays import from_tensors
from eval.data.base import ImageSet
from eval.data.pixels import as_array
from eval.errors import UsageError
from eval.files.border import plain
from eval.radius import whole_number

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import DataLoader, Dataset

    Numbers: TypeAlias = ArrayLike | Tensor
    DataLike: TypeAlias = (
        ImageSet
        | tuple[Numbers, Numbers]
        | list[Any]
        | Dataset[Any]
        | DataLoader[Any]
        | Sequence[tuple[Numbers, Any]]
    )
    """Data as a public function takes it: an image set; a pair of images (N, C, H, W) and labels
    (N,), as tensors, arrays or lists; a `Dataset` of (x, y), or a `DataLoader` of batches of that.
    """

_PAIR = "a pair of images and labels, (x, y), a Dataset or DataLoader of (x, y), or an image set"


def as_images(data: DataLike, n: int | None = None, argument: str = "data") -> ImageSet:
    """The images that `data` holds, in its order, under ids that are their positions in it.

    data: images (N, C, H, W), float in [0, 1] or uint8, with one whole number as label for each.
    n: only the first n; of a Dataset or DataLoader no more than these are read.
    argument: how errors call it.

    A Dataset or DataLoader is read once, here, and kept: see `eval.data.loaders`.

    Raises UsageError for what is no data, and for an `n` that is more than there are; DataError
    for pictures or labels that cannot be, with what to do.
    """
    n = None if n is None else whole_number(n, "n", 100)
    if isinstance(data, ImageSet):
        found = data
    elif _is_pair(data):
        found = from_tensors(data[0], data[1])
    else:
        _refuse(data, argument)
        if n is not None and n < 1:
            raise UsageError(f"n = {n} is not possible: give 1 or more")
        from eval.data.loaders import read_in

        found = read_in(data, n, argument)
    return found if n is None else found.take(n)


def _is_pair(data: object) -> TypeGuard[tuple[Numbers, Numbers]]:
    """Whether this is (x, y), and not a list of two items that are each an (x, y)."""
    if isinstance(data, tuple):
        if len(data) != 2:
            raise UsageError(f"`data` is a tuple of {len(data)}: give {_PAIR}")
        return True
    if not isinstance(data, list) or len(data) != 2:
        return False
    last = data[1]
    return not (
        isinstance(last, tuple | list) and len(last) == 2 and as_array(last[0], "x").ndim == 3
    )


def _refuse(data: object, argument: str) -> None:
    """Raises UsageError for what is neither items nor batches."""
    kind = type(data).__name__
    if isinstance(data, str | os.PathLike):
        raise UsageError(
            f"`{argument}` {plain(repr(data), 80)} is a name: open it first,"
            " eval.open_data('digits') or eval.open_data('folder', data_dir='pictures')"
        )
    if isinstance(data, type):
        raise UsageError(f"`{argument}` is the class {data.__name__}: make one of it")
    if hasattr(data, "ndim") or isinstance(data, int | float):
        raise UsageError(f"`{argument}` is a {kind} without labels: give {_PAIR}")
    if isinstance(data, Mapping):
        raise UsageError(
            f"`{argument}` is a {kind} with {', '.join(map(repr, list(data)[:5]))}: give {_PAIR}"
        )
    if hasattr(data, "__next__"):
        raise UsageError(
            f"`{argument}` is a {kind}, which can be read only once, so that nothing shows whether"
            f" it gives the same pictures again: give list({argument}), or a Dataset"
        )
    if not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        raise UsageError(f"`{argument}` is a {kind}: give {_PAIR}")
