"""A Dataset or a DataLoader is read once, checked, and kept: what is measured cannot change then.

An id in a Report is a position, so each position must mean one picture, today and when a run is
gone on with. Hence an order that is drawn by chance is refused, and so is a data set that gives
other pixels when it is read again. No torch at import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.data.base import ImageSet
from eval.data.kept import Kept, other_shape
from eval.data.labels import checked_labels
from eval.data.pixels import CHANNELS, as_array, check_layout, of_pillow
from eval.data.samplers import check_order, n_images, n_lost
from eval.errors import DataError, SatZooError, UsageError, first_line

CHUNK = 64
"""Items that are put together; as many as are looked at before memory is asked for."""

N_AGAIN, TIMES_AGAIN = 16, 2
"""Pictures that are read again, and how often: a flip by chance goes unseen once in 2^32 times."""

Piece = tuple[int, NDArray[Any], NDArray[np.int64]]
"""Some pictures and labels in a row, and the position of the first."""


def read_in(data: Any, n: int | None, argument: str) -> ImageSet:
    """The first `n` pictures of `data`, all where that is None; fewer where it has fewer.

    data: a `Dataset` or sequence of (x, y), a `DataLoader` of batches of them, or something to
    iterate over that begins anew each time. x (C, H, W), in batches (B, C, H, W), float in [0, 1]
    or uint8; y a whole number.

    Pictures that are 8-bit levels over 255, as ToTensor makes them, are kept in 8 bits, to the bit.

    Raises UsageError for an order by chance, and for items that are no (x, y); DataError for
    pixels, labels and shapes that cannot be, for another picture where one is read again, and for
    more than memory holds.
    """
    reader = _reader(data, n, argument)
    kept = Kept(argument, reader.n, is_all=reader.n != n)
    for piece in reader.read():
        kept.add(*piece)
        if n is not None and kept.n >= n:
            break
    if kept.n == 0:
        raise UsageError(f"`{argument}` holds no images: give at least one")
    if kept.n < reader.n_promised:
        raise DataError(
            f"`{argument}` says that it has {reader.n_promised} images and gave {kept.n}: mend its"
            " length"
        )
    found = kept.as_set(type(data).__name__)
    for _ in range(TIMES_AGAIN):
        for piece in reader.again(kept.n):
            kept.compare(*piece)
    return found


@dataclass(frozen=True)
class _Reader:
    """n: how many pictures there will be at most, None if nobody knows.

    n_promised: how many there must be. read: all of them, in order. again: some of the first so
    many, read once more.
    """

    n: int | None
    n_promised: int
    read: Callable[[], Iterator[Piece]]
    again: Callable[[int], Iterator[Piece]]


def _reader(data: Any, n: int | None, argument: str) -> _Reader:
    from torch.utils.data import DataLoader, IterableDataset

    if isinstance(data, DataLoader):
        check_order(data, argument)
        if data.batch_size is None and data.batch_sampler is None:
            read = _in_pieces(lambda: data, argument)
        else:
            read = _batches(data, argument)
        length = n_images(data)
        if lost := n_lost(data, length, n):
            raise UsageError(
                f"`{argument}` leaves out {lost} because of drop_last=True: make the DataLoader"
                " with drop_last=False"
            )
        return _streaming(read, length, n)
    length = _length(data)
    if length is None or isinstance(data, IterableDataset) or not hasattr(data, "__getitem__"):
        return _streaming(_in_pieces(lambda: data, argument), length, n)
    most = length if n is None else min(n, length)

    def again(n_read: int) -> Iterator[Piece]:
        spread = sorted({k * n_read // N_AGAIN for k in range(N_AGAIN)})
        items = _told(map(data.__getitem__, spread), argument)
        for i, item in zip(spread, items, strict=True):
            yield _stacked(i, [_item(item, i, argument)])

    read = _in_pieces(lambda: map(data.__getitem__, range(most)), argument)
    return _Reader(most, most, read, again)


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _streaming(read: Callable[[], Iterator[Piece]], length: int | None, n: int | None) -> _Reader:
    """Of what can only be read from its beginning; its first pictures are read again."""

    def again(n_read: int) -> Iterator[Piece]:
        seen = 0
        for first, x, y in read():
            yield first, x, y
            seen = first + len(x)
            if seen >= min(N_AGAIN, n_read):
                break
        if seen == 0:  # it has run out
            yield 0, np.zeros(0, np.uint8), np.zeros(0, np.int64)

    most = min((known for known in (length, n) if known is not None), default=None)
    return _Reader(most, 0 if length is None else most or 0, read, again)


def _in_pieces(make: Callable[[], Iterable[Any]], argument: str) -> Callable[[], Iterator[Piece]]:
    """Items of one picture each, put together `CHUNK` at a time."""

    def read() -> Iterator[Piece]:
        numbered, first = enumerate(_told(make(), argument)), 0
        while some := [_item(one, i, argument) for i, one in islice(numbered, CHUNK)]:
            yield _stacked(first, some)
            first += len(some)

    return read


def _batches(loader: Iterable[Any], argument: str) -> Callable[[], Iterator[Piece]]:
    def read() -> Iterator[Piece]:
        first = 0
        for number, batch in enumerate(_told(loader, argument)):
            where = f"batch {number} of `{argument}`"
            x, y = _pair(batch, where)
            pixels = as_array(x, f"x of {where}")
            check_layout(pixels.shape, f"x of {where}")
            labels = checked_labels(y, len(pixels))
            _check_not_one_buffer(pixels, labels, where)
            yield first, pixels, labels
            first += len(pixels)

    return read


def _check_not_one_buffer(pixels: NDArray[Any], labels: NDArray[np.int64], where: str) -> None:
    """Raises DataError for a batch of one picture under several labels, which reads again the same.

    A Dataset that writes each picture into the same tensor gives so many of the last one.
    """
    if len(set(labels.tolist())) > 1 and bool((pixels == pixels[:1]).all()):
        raise DataError(
            f"{where} holds one picture {len(pixels)} times, under several labels: the data set"
            " seems to write all into one tensor; let it give out a copy, x.clone()"
        )


def _told(items: Iterable[Any], argument: str) -> Iterator[Any]:
    """The items; what a stranger's code raises on the way becomes one sentence."""
    try:
        yield from items
    except SatZooError:
        raise
    except Exception as error:
        if "PIL." in str(error):  # which the DataLoader cannot put together
            raise of_pillow(f"`{argument}`") from error
        raise DataError(
            f"`{argument}` cannot be read ({type(error).__name__}: {first_line(error)}): mend its"
            " files or its transforms"
        ) from error


def _item(item: Any, position: int, argument: str) -> tuple[NDArray[Any], Any]:
    where = f"item {position} of `{argument}`"
    x, y = _pair(item, where)
    pixels = as_array(x, f"x of {where}")
    shape, fix = pixels.shape, ""
    if len(shape) != 3:
        fix = "give tensors (C, H, W), as ToTensor makes them"
    elif shape[0] not in CHANNELS and shape[2] in CHANNELS:
        fix = "channels last: ToTensor puts them first, and so does x.transpose(2, 0, 1)"
    if fix:
        raise UsageError(f"x of {where} has shape {shape}, expected (C, H, W): {fix}")
    return pixels, y


def _pair(item: Any, where: str) -> tuple[Any, Any]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    said = type(item).__name__
    if isinstance(item, Mapping):
        said += f" with {', '.join(map(repr, list(item)[:5]))}"
    elif isinstance(item, tuple | list):
        said += f" of {len(item)}"
    raise UsageError(
        f"{where} is a {said}: each must be (x, y), a picture and its label; wrap the data set in"
        " one that gives these two"
    )


def _stacked(first: int, items: list[tuple[NDArray[Any], Any]]) -> Piece:
    shapes = [x.shape for x, _ in items]
    odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise other_shape(first + odd, shapes[odd], shapes[0])
    labels = [as_array(y, f"the label of item {first + i}") for i, (_, y) in enumerate(items)]
    flat = np.stack(labels) if len({one.shape for one in labels}) == 1 else np.zeros((1, 1))
    return first, np.stack([x for x, _ in items]), checked_labels(flat, len(items))
