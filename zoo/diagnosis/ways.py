"""Ways from a picture file to pixels that people use instead of the one that a card promises.

A way is a geometry (what is resized to what, and what is cut out) and a kernel. Every card's own
preprocessing is one of them, so that one part at a time can be exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from eval.data.files.pictures import to_rgb
from zoo.cards import InputSpec
from zoo.preprocess import efficientnet_window, resize_cubic_opencv, resize_cubic_tf, resnet_sizes

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Geometry = Callable[[Floats, "Kernel"], Floats]
Kernel = Callable[[Floats, int, int], Floats]


@dataclass(frozen=True)
class Part:
    """A geometry or kernel. family, smooths: of a kernel, whether it antialiases."""

    name: str
    act: Callable[..., Floats]
    family: str = ""
    smooths: bool = False


@dataclass(frozen=True)
class PictureWay:
    """From a picture to (size, size, C) float32 in [0, 1]."""

    geometry: Part
    kernel: Part
    turns: bool

    def __call__(self, picture: Image.Image, channels: int) -> Floats:
        """The pixels, clipped to [0, 1]."""
        picture = ImageOps.exif_transpose(picture) if self.turns else picture
        image = to_rgb(picture).astype(np.float32)
        if channels == 1:
            image = np.asarray(picture.convert("L"), np.float32)[..., None]
        pixels = self.geometry.act(image, self.kernel.act) / np.float32(255)
        return pixels.clip(0, 1)


def own_way(spec: InputSpec) -> PictureWay | None:
    """The way of a card; None for one that takes pictures as they are."""
    size = spec.size
    if spec.preprocess == "resnet-opencv":
        return PictureWay(_short_side(size + 32, size, "its own"), _OPENCV, turns=True)
    if spec.preprocess == "efficientnet-tf":
        return PictureWay(_window(size), _TF, turns=False)
    if spec.preprocess == "timm-eval" and spec.crop_pct and spec.crop_mode == "center":
        kernel = next((one for one in _PILLOW if one.family == spec.interpolation), None)
        if kernel is not None:
            edge = math.floor(size / spec.crop_pct)
            return PictureWay(_short_side(edge, size, "its own"), kernel, turns=False)
    return None


def other_kernels(way: PictureWay) -> Iterator[tuple[str, str, PictureWay]]:
    """(code, noun, way) with another kernel."""
    own = way.kernel
    for kernel in _KERNELS:
        if kernel is own:
            continue
        code = "resize kernel"
        if kernel.family == own.family and kernel.smooths != own.smooths:
            code = "antialiasing"
        yield code, f"resizing by {kernel.name} instead of {own.name}", replace(way, kernel=kernel)


def other_geometries(way: PictureWay, size: int) -> Iterator[tuple[str, str, PictureWay]]:
    """(code, noun, way) with another crop, or orientation."""
    for share in (1.0, 0.95, 0.9, 0.875, 0.8):
        noun = f"a crop ratio of {share:g} (shorter side to {math.floor(size / share)} pixels)"
        part = _short_side(math.floor(size / share), size, noun)
        yield "crop", noun, replace(way, geometry=part)
    yield (
        "crop",
        "the shorter side resized to size + 32, then cut",
        replace(way, geometry=_short_side(size + 32, size, "")),
    )
    yield "crop", "the middle cut out before it is resized", replace(way, geometry=_window(size))
    squash = Part("squash", lambda image, kernel: kernel(image, size, size))
    yield "crop", "the whole picture squashed into a square", replace(way, geometry=squash)
    yield (
        "crop",
        "the upper left corner instead of the middle",
        replace(way, geometry=_short_side(size + 32, size, "", corner=True)),
    )
    without = "not applied" if way.turns else "applied"
    yield "exif", f"EXIF orientation {without}", replace(way, turns=not way.turns)


def _short_side(edge: int, size: int, name: str, *, corner: bool = False) -> Part:
    """The shorter side becomes `edge`, then the middle is cut out."""

    def act(image: Floats, kernel: Kernel) -> Floats:
        height, width = image.shape[:2]
        if edge == size + 32:  # the rounding of the ResNets' own code
            h, w, (y, x, _, _) = resnet_sizes(height, width, size)
        else:
            short = min(height, width)
            h, w = int(edge * height / short), int(edge * width / short)
            y, x = round((h - size) / 2), round((w - size) / 2)
        if corner:
            y = x = 0
        return kernel(image, h, w)[y : y + size, x : x + size]

    return Part(name, act)


def _window(size: int) -> Part:
    def act(image: Floats, kernel: Kernel) -> Floats:
        y, x, h, w = efficientnet_window(image.shape[0], image.shape[1], size)
        return kernel(image[y : y + h, x : x + w], size, size)

    return Part("its own", act)


def _pillow(method: Image.Resampling) -> Kernel:
    def act(image: Floats, height: int, width: int) -> Floats:
        levels = image.astype(np.uint8)
        picture = Image.fromarray(levels if levels.shape[2] == 3 else levels[..., 0])
        resized = np.asarray(picture.resize((width, height), method), np.float32)
        return resized.reshape(height, width, -1)

    return act


def _torch(mode: str) -> Kernel:
    def act(image: Floats, height: int, width: int) -> Floats:
        x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        align = {} if mode == "nearest" else {"align_corners": False}
        y = torch.nn.functional.interpolate(x, (height, width), mode=mode, **align)
        return y[0].permute(1, 2, 0).numpy()

    return act


def _opencv(image: Floats, height: int, width: int) -> Floats:
    return resize_cubic_opencv(image.astype(np.uint8), height, width).astype(np.float32)


_OPENCV = Part("bicubic without antialiasing (OpenCV)", _opencv, "bicubic")
_TF = Part("bicubic without antialiasing (TensorFlow 1)", resize_cubic_tf, "bicubic")
_PILLOW = tuple(
    Part(f"{name}{smooth} (Pillow)", _pillow(Image.Resampling[name.upper()]), name, bool(smooth))
    for name, smooth in (
        ("bicubic", " with antialiasing"),
        ("bilinear", " with antialiasing"),
        ("nearest", ""),
        ("lanczos", " with antialiasing"),
        ("box", " with antialiasing"),
        ("hamming", " with antialiasing"),
    )
)
_KERNELS = (
    _OPENCV,
    _TF,
    *_PILLOW,
    Part("bilinear without antialiasing (OpenCV, torch)", _torch("bilinear"), "bilinear"),
)
