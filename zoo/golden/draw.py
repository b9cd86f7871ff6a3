"""Draw the fixed pictures anew: `python -m zoo.golden.draw FOLDER`. Needs nothing but Pillow.

Their bytes in the package are what counts, and `pictures.py` knows their digests: another build of
Pillow may pack the same pixels otherwise. Everything in them is computed with whole numbers.

What they are made to show: large pictures with fine stripes and edges, whether and how a resize
smooths (kernel, antialiasing); pictures that are longer than wide or turned, crop ratio, squashing
and EXIF orientation; colours that differ in all three channels, channel order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
_ORIENTATION = 0x0112  # EXIF


def noise(n: int, seed: int) -> NDArray[np.uint32]:
    """N numbers of 32 bits."""
    h = np.arange(n, dtype=np.uint32) + np.uint32(seed * 7919)
    h *= np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(13)
    return h >> np.uint32(8)


def tiles(height: int, width: int, edge: int, seed: int, channels: int = 3) -> Pixels:
    """Fields of any colour."""
    rows, columns = -(-height // edge), -(-width // edge)
    levels = (noise(rows * columns * channels, seed) % 256).astype(np.uint8)
    fields = levels.reshape(rows, columns, channels)
    return fields[np.arange(height) // edge][:, np.arange(width) // edge]


def striped(height: int, width: int, seed: int) -> Pixels:
    """Fields of colour, over them stripes that get finer to the right, and discs with a rim."""
    y, x = np.mgrid[:height, :width]
    pixels = tiles(height, width, max(height, width) // 5, seed).astype(np.int64)
    period = 4 + 24 * (width - x) // width
    pixels += np.where((x + y // 2) % period * 2 < period, 46, -46)[..., None]
    for k in range(4):
        a, b, c, d = (int(v) for v in noise(4, seed + 11 + k))
        radius = min(height, width) * (10 + a % 12) // 100
        inside = (y - b % height) ** 2 + (x - c % width) ** 2 < radius**2
        pixels[inside] = (d % 256, d // 256 % 256, d // 65536 % 256)
    return pixels.clip(0, 255).astype(np.uint8)


def woven(height: int, width: int, seed: int) -> Pixels:
    """Few colours, single pixels of which alternate: a resize without smoothing takes either."""
    y, x = np.mgrid[:height, :width]
    palette = tiles(6, 1, 1, seed)[:, 0]
    block = (y * 6 // height * 3 + x * 4 // width) % 3
    fine = np.where(y * 2 < height, x // 2 + y // 2, x // 3) % 2
    pixels: Pixels = palette[block * 2 + fine]
    return pixels


def photo(folder: Path) -> None:
    """Eight pictures of many shapes, for models that resize."""
    Image.fromarray(striped(720, 960, 1)).save(folder / "0-landscape.jpg", quality=50)
    Image.fromarray(woven(960, 720, 2)).save(folder / "1-portrait.png", optimize=True)
    Image.fromarray(striped(480, 320, 3)).save(folder / "2-portrait.jpg", quality=80, subsampling=0)
    Image.fromarray(tiles(48, 64, 4, 4)).save(folder / "3-small.png", optimize=True)
    Image.fromarray(striped(90, 120, 5)).save(folder / "4-small.jpg", quality=85)
    grey = tiles(200, 300, 10, 6, channels=1)[..., 0]
    Image.fromarray(grey).save(folder / "5-grey.png", optimize=True)
    turned = Image.Exif()
    turned[_ORIENTATION] = 6
    Image.fromarray(striped(240, 360, 7)).save(folder / "6-turned.jpg", exif=turned, quality=85)
    long = Image.fromarray(striped(120, 600, 8)[..., 0])
    long.save(folder / "7-long-grey.jpg", quality=85)


def exact(size: int, channels: int) -> Callable[[Path], None]:
    """Eight pictures of the size and the channels that a model takes as they are."""

    def write(folder: Path) -> None:
        for k in range(8):
            pixels = tiles(size, size, (1, 2, 4, 3, 2, 1, 4, 2)[k], 20 + k, channels)
            picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
            if k % 4 == 3:
                picture.save(folder / f"{k}.jpg", quality=90)
            else:
                picture.save(folder / f"{k}.png", optimize=True)

    return write


SETS: dict[str, Callable[[Path], None]] = {
    "photo": photo,
    "32x32-rgb": exact(32, 3),
    "8x8-grey": exact(8, 1),
}

if __name__ == "__main__":
    for name, write in SETS.items():
        place = Path(sys.argv[1]) / name
        place.mkdir(parents=True, exist_ok=True)
        write(place)
