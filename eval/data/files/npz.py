"""Arrays of an npz file: what a header says is held against the bytes that are there."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from eval.data.files.packed import read_piece, zip_pieces

_PLAIN = "biuf"  # kinds of NumPy's types that are numbers


def read_npz(path: Path, names: Sequence[str], limit: str) -> tuple[NDArray[Any], ...]:
    """The arrays of these names, read-only, each of no more bytes than the limit of that name.

    For the border around it; raises `ValueError` also for arrays of anything but numbers: an array
    of objects is a pickle, which is a program.
    """
    files = {f"{name}.npy" for name in names}
    pieces = zip_pieces(path, lambda there: [i for i, one in enumerate(there) if one in files])
    arrays = []
    for name in names:
        piece = pieces.get(f"{name}.npy")
        if piece is None:
            raise ValueError(f"it holds no array {name!r}")
        arrays.append(_parsed(read_piece(piece, limit), name))
    return tuple(arrays)


def _parsed(content: bytes, name: str) -> NDArray[Any]:
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"{name} is of the version {version} of the format, which is not read")
    shape, is_fortran, dtype = read(stream)
    if dtype.kind not in _PLAIN:
        raise ValueError(f"{name} is of {dtype.kind!r}, no numbers")
    start = stream.tell()
    # In Python's whole numbers, which do not wrap around.
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or n_bytes != len(content) - start:
        raise ValueError(f"{name} has {len(content) - start:,} bytes, another number than it says")
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape, order="F" if is_fortran else "C")
