"""Adversarial images in fewer bytes, to the bit. No torch here.

Most pixels of an attack in Linf lie where the ball ends, and a clean picture has 256 levels at
most. So of each pixel two bits say whether it is the clean one, the lowest or the highest of the
ball, or another; of another one, how many float32 numbers lie between it and the clean one. The
clean picture is there too, so that the ball can be checked where the data are not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["levels", "levels-differences", "bytes"]
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LEVELS = 256
"""The most that the clean pixels of a file may have to be stored as 8-bit ones."""

GRIDS = (255, 16)
"""Of pictures whose pixels are k/255, or k/16 as of digits, no list of levels is stored."""

STREAMS: Mapping[Kind, tuple[str, ...]] = {
    "levels": ("base", "codes", "offsets"),
    "levels-differences": ("base", "codes", "offsets"),
    "bytes": ("x_adv",),
}
"""What each kind stores, each of it compressed by zlib.

levels: base, the clean pixels as positions in the list of levels; codes, two bits a pixel; offsets.
levels-differences: the same, but each base pixel less what its neighbours let expect.
bytes: x_adv as it is, for clean pixels of more levels, or where this is smaller.
"""

_SAME, _LOW, _HIGH, _OTHER = range(4)
_AT_ONCE = 2**22  # pixels, so that what is worked on takes little beside the images


@dataclass(frozen=True, eq=False)
class Packed:
    """levels: (L,) float32, empty for `bytes`, and where they are all k/grid for a `grid` above 0.

    streams: as `STREAMS`, compressed.
    """

    kind: Kind
    grid: int
    levels: Floats
    streams: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.levels.nbytes + sum(map(len, self.streams.values()))


def pack(x_adv: Floats, x: Floats | None, eps: float) -> Packed:
    """The smallest of the kinds for images `x_adv` and clean ones `x`, both (N, C, H, W).

    x: None where they are not known. eps: of the ball; where it is another, or one in L2, less is
    saved, and nothing lost.
    """
    none = np.empty(0, np.float32)
    found = [Packed("bytes", 0, none, {"x_adv": _deflated([x_adv.tobytes()])})]
    if x is None or not x.size:
        return found[0]
    grid = next((grid for grid in GRIDS if _same(_on_grid(grid, x), x).all()), 0)
    levels = of_grid(grid) if grid else np.unique(x)
    if len(levels) <= LEVELS and _same(levels[_index(levels, x)], x).all():
        kinds: tuple[Kind, Kind] = ("levels", "levels-differences")
        streams = {kind: _by_levels(kind, x_adv, x, levels, eps) for kind in kinds}
        stored = none if grid else levels
        found += [Packed(kind, grid, stored, content) for kind, content in streams.items()]
    return min(found, key=lambda packed: packed.size)


def of_grid(grid: int) -> Floats:
    """All k/grid, as data sets divide: in float32."""
    return np.arange(grid + 1, dtype=np.float32) / np.float32(grid)


def _on_grid(grid: int, x: Floats) -> Floats:
    nearest = np.rint(np.clip(np.nan_to_num(x), 0, 1) * np.float32(grid))
    return np.asarray(nearest / np.float32(grid), np.float32)


def _index(levels: Floats, x: Floats) -> NDArray[np.int64]:
    """Where each pixel is among the levels, if it is there."""
    return np.minimum(np.searchsorted(levels, x), len(levels) - 1)


def unpack(
    packed: Packed, shape: tuple[int, int, int, int], eps: float
) -> tuple[Floats, Floats | None]:
    """What `pack` was given: `x_adv`, and `x` where it is stored.

    Takes no more memory than `shape` says, whatever the streams hold. Raises `ValueError` for
    streams that hold less or more, or levels that do not exist.
    """
    wanted = STREAMS[packed.kind]
    if tuple(packed.streams) != wanted:
        raise ValueError(f"it holds {', '.join(packed.streams)} instead of {', '.join(wanted)}")
    inflating = [_Inflated(name, packed.streams[name]) for name in wanted]
    x_adv = np.empty(shape, np.float32)
    if packed.kind == "bytes":
        if len(packed.levels) or packed.grid:
            raise ValueError("it has levels, and its images are stored without")
        for part in _parts(shape):
            read = inflating[0].read(x_adv[part].nbytes)
            x_adv[part] = np.frombuffer(read, np.float32).reshape(x_adv[part].shape)
        inflating[0].end()
        return x_adv, None
    if packed.grid and (len(packed.levels) or packed.grid not in GRIDS):
        raise ValueError(f"its levels are k/{packed.grid}, which is none of {GRIDS}, or they stand")
    levels = of_grid(packed.grid) if packed.grid else packed.levels
    x = np.empty(shape, np.float32)
    for part in _parts(shape):
        _read_part(packed.kind, levels, inflating, x_adv[part], x[part], eps)
    for stream in inflating:
        stream.end()
    return x_adv, x


def _by_levels(
    kind: Kind, x_adv: Floats, x: Floats, levels: Floats, eps: float
) -> dict[str, bytes]:
    base, codes, offsets = [], [], []
    for part in _parts(x.shape):
        clean, found = x[part], x_adv[part]
        index = _index(levels, clean).astype(np.uint8)
        base.append((_differences(index) if kind == "levels-differences" else index).tobytes())
        code = np.full(clean.shape, _OTHER, np.uint8)
        low, high = _ends(clean, eps)
        for value, meaning in ((high, _HIGH), (low, _LOW), (clean, _SAME)):
            code[_same(found, value)] = meaning
        bits = np.stack([code.ravel() >> 1, code.ravel() & 1], 1)
        codes.append(np.packbits(bits).tobytes())
        is_other = code == _OTHER
        steps = found[is_other].view(np.int32) - clean[is_other].view(np.int32)  # wraps, both ways
        offsets.append(_planes((steps << 1) ^ (steps >> 31)).tobytes())
    streams = {"base": base, "codes": codes, "offsets": offsets}
    return {name: _deflated(parts) for name, parts in streams.items()}


def _read_part(
    kind: Kind, levels: Floats, inflating: list[_Inflated], x_adv: Floats, x: Floats, eps: float
) -> None:
    base, codes, offsets = inflating
    index = np.frombuffer(base.read(x.size), np.uint8).reshape(x.shape)
    if kind == "levels-differences":
        index = _sums(index)
    if index.size and int(index.max()) >= len(levels):
        raise ValueError(f"it has {len(levels)} levels and speaks of {int(index.max())}")
    x[...] = levels[index]
    bits = np.unpackbits(np.frombuffer(codes.read(-(-x.size // 4)), np.uint8))
    if bits[2 * x.size :].any():
        raise ValueError("its codes go on after the last pixel")
    pairs = bits[: 2 * x.size].reshape(-1, 2)
    code = (pairs[:, 0] << 1 | pairs[:, 1]).reshape(x.shape)
    low, high = _ends(x, eps)
    x_adv[...] = np.choose(code, (x, low, high, x))
    is_other = code == _OTHER
    n = int(is_other.sum())
    zigzag = _from_planes(np.frombuffer(offsets.read(4 * n), np.uint8), n)
    steps = (zigzag >> 1).view(np.int32) ^ -(zigzag & 1).view(np.int32)
    x_adv[is_other] = (x[is_other].view(np.int32) + steps).view(np.float32)


def _ends(x: Floats, eps: float) -> tuple[Floats, Floats]:
    """The lowest and the highest pixels of the ball in Linf, as float32 arithmetic has them."""
    radius = np.float32(eps)
    return np.maximum(x - radius, np.float32(0)), np.minimum(x + radius, np.float32(1))


def _same(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """To the bit: 0 is not -0, and NaN is itself."""
    return np.equal(a.view(np.int32), b.view(np.int32))


def _parts(shape: tuple[int, ...]) -> Iterator[slice]:
    """The images in pieces that depend on their shape alone."""
    n = max(1, _AT_ONCE // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], n):
        yield slice(start, start + n)


def _differences(index: Bytes) -> Bytes:
    """Of each position from its left, upper and earlier channel's neighbours together, mod 256."""
    for axis in (3, 2, 1):
        index = np.diff(index, axis=axis, prepend=np.uint8(0))
    return index


def _sums(differences: Bytes) -> Bytes:
    for axis in (1, 2, 3):
        differences = np.add.accumulate(differences, axis=axis, dtype=np.uint8)
    return differences


def _planes(numbers: NDArray[np.int32]) -> Bytes:
    """(n,) -> (4n,): all lowest bytes first, which are noise, and all highest last."""
    return np.ascontiguousarray(numbers.astype("<i4").view(np.uint8).reshape(-1, 4).T).ravel()


def _from_planes(planes: Bytes, n: int) -> NDArray[np.uint32]:
    return np.ascontiguousarray(planes.reshape(4, n).T).view("<u4").ravel().astype(np.uint32)


def _deflated(parts: list[bytes]) -> bytes:
    made = zlib.compressobj(9)
    return b"".join([*map(made.compress, parts), made.flush()])


class _Inflated:
    """A stream, of which only as much is unpacked as is asked for."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._rest = name, content
        self._made = zlib.decompressobj()

    def read(self, n: int) -> bytes:
        """The next `n` bytes. Raises `ValueError` if there are fewer."""
        found = bytearray()
        while len(found) < n:
            try:
                piece = self._made.decompress(self._rest, n - len(found))
            except zlib.error as error:
                raise ValueError(f"its {self._name} cannot be unpacked: {error}") from None
            self._rest = self._made.unconsumed_tail
            if not piece:
                raise ValueError(f"its {self._name} ends early")
            found += piece
        return bytes(found)

    def end(self) -> None:
        """Raises `ValueError` if anything follows."""
        try:
            more = self._made.decompress(self._rest, 1)
        except zlib.error as error:
            raise ValueError(f"its {self._name} cannot be unpacked: {error}") from None
        if more or not self._made.eof or self._made.unused_data:
            raise ValueError(f"its {self._name} goes on after the last image")


def inflated(name: str, content: bytes, size: int) -> bytes:
    """`size` bytes, all that the stream holds; raises `ValueError` as `unpack`."""
    stream = _Inflated(name, content)
    found = stream.read(size)
    stream.end()
    return found


def deflated(content: bytes) -> bytes:
    """What `inflated` reads."""
    return _deflated([content])
