"""How far EfficientNet inputs lie from those of the official code: what docs/data.md states.

    python -m zoo.official.evidence.pixels reference CROPS > tests/zoo/tfjpeg/pixels.csv
    python -m zoo.official.evidence.pixels decoders PICTURES

CROPS holds NAME.JPEG beside NAME.npz, in which `effnet224_x64` and so on are 64 times what the
official code made of it under TensorFlow 1.15, rounded: half of 1/64 of a level is the best that
anybody can agree with it. PICTURES holds JPEGs without a reference, of which the decoders are
compared with each other. All numbers are levels of 255.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.data.files.pictures import open_picture, to_rgb
from zoo.preprocess import efficientnet_window, resize_cubic_tf
from zoo.tfjpeg import decode_window

HEADER = "picture,size,decoder,mean,mean_inner,max_inner,mean_border,max_border"

Window = tuple[int, int, int, int]
Levels = NDArray[np.float64]


def by_pillow(path: Path, window: Window) -> NDArray[np.uint8]:
    """The accurate DCT; whole picture."""
    return _cut(to_rgb(open_picture(path, str(path))), window)


def whole(path: Path, window: Window) -> NDArray[np.uint8]:
    """The fast DCT and smooth chroma, of the whole picture."""
    picture = open_picture(path, str(path))
    return _cut(_decoded(path, (0, 0, picture.height, picture.width)), window)


def as_tensorflow(path: Path, window: Window) -> NDArray[np.uint8]:
    """What sat-zoo does."""
    return _decoded(path, window)


DECODERS: Mapping[str, Callable[[Path, Window], NDArray[np.uint8]]] = {
    "pillow": by_pillow,
    "simplejpeg, whole picture": whole,
    "as TensorFlow": as_tensorflow,
}


def compared(folder: Path) -> Iterator[str]:
    """The lines of the table: every picture, size and decoder against the reference."""
    yield HEADER
    for path in sorted(folder.glob("*.JPEG")):
        with np.load(path.with_suffix(".npz")) as made:
            for key in sorted(key for key in made if key.endswith("_x64")):
                size = made[key].shape[0]
                wanted = np.clip(made[key] / 64, 0, 255)
                # What a cubic resize can reach from an outer column of the window.
                border = ceil(3 * size / made[f"effnet{size}_window"][3])
                for name, decode in DECODERS.items():
                    error = np.abs(_input(path, size, decode) - wanted)
                    yield ",".join([path.stem, str(size), f'"{name}"', *_told(error, border)])


def between_decoders(paths: Iterable[Path], size: int = 224) -> Iterator[str]:
    """What each decoder does otherwise than TensorFlow, over many pictures."""
    for name in ("pillow", "simplejpeg, whole picture"):
        errors = [
            np.abs(_input(path, size, DECODERS[name]) - _input(path, size, as_tensorflow))
            for path in paths
        ]
        means = [float(error.mean()) for error in errors]
        worst = max(float(error.max()) for error in errors)
        n_touched = sum(error.max() > 0 for error in errors)
        yield (
            f"{name}: {n_touched} of {len(errors)} pictures differ; mean of a picture"
            f" {min(means):.4f} to {max(means):.4f}, of all {np.mean(means):.4f}; pixel {worst:.1f}"
        )


def _input(path: Path, size: int, decode: Callable[[Path, Window], NDArray[np.uint8]]) -> Levels:
    picture = open_picture(path, str(path))
    window = efficientnet_window(picture.height, picture.width, size)
    return resize_cubic_tf(decode(path, window), size, size).astype(np.float64).clip(0, 255)


def _told(error: Levels, border: int) -> list[str]:
    inner = np.zeros(error.shape[:2], bool)
    inner[border:-border, border:-border] = True
    kinds = (error, error[inner], error[~inner])
    means = [f"{some.mean():.4f}" for some in kinds]
    return [means[0], means[1], f"{kinds[1].max():.4f}", means[2], f"{kinds[2].max():.4f}"]


def _decoded(path: Path, window: Window) -> NDArray[np.uint8]:
    picture = open_picture(path, str(path))
    size = (picture.height, picture.width)
    pixels = decode_window(path.read_bytes(), *size, window, is_whole=True)
    assert pixels is not None, "a file known to be whole"
    return pixels


def _cut(pixels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    y, x, h, w = window
    return pixels[y : y + h, x : x + w]


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    paths = sorted(place.rglob("*.JPEG"))
    lines = between_decoders(paths) if what == "decoders" else compared(place)
    sys.stdout.writelines(f"{line}\n" for line in lines)
