"""Pixels that lie on workers alone: what a driver without them asks, and what a worker answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.data.prints import N_BYTES, Prints, check_prints, prints_of
from eval.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.data import ImageSet
    from eval.data.base import Opening
    from eval.data.positions import Rows


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Pixels that lie on workers alone; a `PixelSource`. ask: calls a method of one of them.

    A picture is asked for by its id, and stays the one that it was when a worker first told of it:
    each that is asked later hears the digests that are known, and is left out where its own files
    are others. A row is a position in `ids`.
    """

    ask: Callable[..., Any]
    opening: Opening
    ids: tuple[str, ...]
    _known: dict[str, bytes] = field(default_factory=dict, repr=False)

    def read(self, rows: Rows) -> NDArray[np.float32]:
        """See `PixelSource.read`."""
        found: NDArray[np.float32] = self._asked("read", rows)
        self._note(rows, prints_of(found))
        return found.copy()

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        """See `PixelSource.stream`."""
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        """None is known of."""
        return [""] * len(rows)

    def prints(self, rows: Rows) -> Prints:
        """See `eval.data.prints.KnowsPrints`: only digests travel."""
        found: Prints = self._asked("prints", rows)
        self._note(rows, found.each)
        return found

    def _asked(self, method: str, rows: Rows) -> Any:
        ids = self._ids_at(rows)
        known = {one: self._known[one] for one in ids if one in self._known}
        return self.ask(method, self.opening, ids, known)

    def _note(self, rows: Rows, each: NDArray[np.uint8]) -> None:
        self._known.update(zip(self._ids_at(rows), map(bytes, each), strict=True))

    def _ids_at(self, rows: Rows) -> tuple[str, ...]:
        return tuple(self.ids[row] for row in rows.tolist())


def prints(images: ImageSet, ids: Sequence[str], known: Mapping[str, bytes]) -> Prints:
    """Digests of those of a worker's `images` that have these ids.

    known: digests of which the driver has heard already, by id. Raises `DataError` for an id that
    is not here, and `OtherPixels` where a digest is another one here.
    """
    rows = _rows_of(images, ids)
    found = images.select(rows).prints
    _check_known(images, rows, found.each, known)
    return found


def pixels(images: ImageSet, ids: Sequence[str], known: Mapping[str, bytes]) -> NDArray[np.float32]:
    """Pixels (B, C, H, W); the rest as for `prints`."""
    rows = _rows_of(images, ids)
    found = images.batch(rows).x.numpy()
    _check_known(images, rows, prints_of(found), known)
    return found


def _rows_of(images: ImageSet, ids: Sequence[str]) -> Rows:
    at = {one: row for row, one in enumerate(images.ids)}
    if missing := [one for one in ids if one not in at]:
        raise DataError(
            f"{images.name} ({images.split}): {missing[0]!r} is not here: bring the same files to"
            " this machine"
        )
    return np.array([at[one] for one in ids], np.int64)


def _check_known(
    images: ImageSet, rows: Rows, found: NDArray[np.uint8], known: Mapping[str, bytes]
) -> None:
    at = [i for i, row in enumerate(rows.tolist()) if images.ids[row] in known]
    wanted = b"".join(known[images.ids[row]] for row in rows[at].tolist())
    check_prints(images, rows[at], found[at], np.frombuffer(wanted, np.uint8).reshape(-1, N_BYTES))
