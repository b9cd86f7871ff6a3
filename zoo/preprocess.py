"""From a picture on disk to the pixels a card promises, by the arithmetic of the official code.

ResNets were evaluated behind OpenCV, EfficientNets behind TensorFlow 1; the two resize, crop and
even orient differently. Both are written out here in NumPy, so neither library is needed and the
same file gives the same pixels on every machine. Sources: C. Xie et al. 2020, arXiv 2006.14536,
official code at commit 988c080; OpenCV 4.5.5 and TensorFlow 1.15 for the two kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.data.files.pictures import Decoder, Preprocess, pillow, read_picture, to_rgb
from eval.errors import DataError, UsageError, unknown
from zoo import tfjpeg
from zoo.tfjpeg import Window
from zoo.timm_eval import TimmEval, center_crop

if TYPE_CHECKING:
    from PIL import Image

    from zoo.cards import ModelCard

__all__ = [
    "KINDS",
    "Pipeline",
    "Preprocess",
    "efficientnet_tf",
    "efficientnet_window",
    "for_card",
    "preprocess",
    "resize_cubic_opencv",
    "resize_cubic_tf",
    "resnet_opencv",
    "resnet_sizes",
]

KINDS = ("none", "resnet-opencv", "efficientnet-tf", "timm-eval", "center-crop")
_PADDING = 32  # both pipelines keep SIZE of SIZE + 32 pixels
_A = -0.75  # the cubic kernel's parameter, in OpenCV and in TensorFlow 1
_TABLE = 1024


@dataclass(frozen=True)
class _Taps:
    """Four source indices (4, n) and weights (4, n) float32 for each of n output positions."""

    index: NDArray[np.int64]
    weight: NDArray[np.float32]


def resize_cubic_opencv(
    image: NDArray[np.uint8], height: int, width: int, *, window: Window | None = None
) -> NDArray[np.uint8]:
    """OpenCV's INTER_CUBIC on uint8: half-pixel centres, a = -0.75, no antialiasing, saturated.

    image:  (H, W, C) uint8; returns (height, width, C) uint8.
    window: y, x, h, w of the part of the result to compute; default all of it.

    The x86 builds of OpenCV hand this resize to Intel's IPP, which works in floating point; so
    does this function (against 4.5.5: at most 1 level apart, at fewer than 1 pixel in 20,000).
    OpenCV's own fallback rounds the weights to 11 bits and differs by 1 level at 3 % of pixels.
    """
    y, x, h, w = window or (0, 0, height, width)
    rows = _taps_opencv(image.shape[0], height, y, y + h)
    columns = _taps_opencv(image.shape[1], width, x, x + w)
    return np.clip(np.rint(_resize(image, rows, columns)), 0, 255).astype(np.uint8)


def resize_cubic_tf(
    image: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int
) -> NDArray[np.float32]:
    """TensorFlow 1's `resize_bicubic`: no half-pixel shift, no antialiasing, nothing clipped.

    image: (H, W, C); returns (height, width, C) float32 in the units of `image`, overshooting its
    range at edges. Bit for bit that of TensorFlow 1.15 (align_corners and half_pixel_centers off).
    """
    return _resize(image, _taps_tf(image.shape[0], height), _taps_tf(image.shape[1], width))


def resnet_sizes(height: int, width: int, size: int) -> tuple[int, int, Window]:
    """The resized height and width (shorter side size + 32), and the centre crop in them."""
    scale = (size + _PADDING) / min(height, width)
    new_h, new_w = int(scale * height + 0.5), int(scale * width + 0.5)
    if height < width:  # the shorter side is set, not computed
        new_h = size + _PADDING
    else:
        new_w = size + _PADDING
    return new_h, new_w, (int((new_h - size) * 0.5), int((new_w - size) * 0.5), size, size)


def efficientnet_window(height: int, width: int, size: int) -> Window:
    """The centre square of the picture that is kept, as y, x, h, w.

    The side is size / (size + 32) of the shorter one, in float32 and cut off as TensorFlow does.
    """
    share = np.float32(size / (size + _PADDING))
    side = int(share * np.float32(min(height, width)))
    return (height - side + 1) // 2, (width - side + 1) // 2, side, side


def resnet_opencv(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """The ResNets' evaluation input: (size, size, 3) uint8 RGB.

    EXIF orientation is applied, as by OpenCV's imread. The official arrays are BGR; here every
    array is RGB, and a network that wants BGR says so in its card and is converted once.
    """
    from PIL import ImageOps

    image = to_rgb(ImageOps.exif_transpose(picture))
    height, width, window = resnet_sizes(image.shape[0], image.shape[1], size)
    return resize_cubic_opencv(image, height, width, window=window)


def efficientnet_tf(picture: Image.Image, size: int) -> NDArray[np.float32]:
    """The EfficientNets' evaluation input: (size, size, 3) float32 RGB in [0, 1].

    EXIF orientation is ignored. Differs from the source in that the cubic overshoot is clipped to
    the pixel range: the official pipeline feeds values of about -0.08 to 1.09, which are no picture
    and lie outside the threat model. `picture` has been decoded already; what TensorFlow 1 makes of
    a JPEG file itself is another level or so in the mean, see `Pipeline.from_file`.
    """
    image = to_rgb(picture)
    y, x, h, w = _window(image.shape[0], image.shape[1], size)
    return _efficientnet_input(image[y : y + h, x : x + w], size)


def _window(height: int, width: int, size: int) -> Window:
    window = efficientnet_window(height, width, size)
    if window[2] < 1:
        raise DataError(f"a picture of {width} x {height} pixels is too small")
    return window


def _efficientnet_input(decoded: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    resized = resize_cubic_tf(decoded, size, size)
    resized /= np.float32(255)
    return resized.clip(0, 1, out=resized)


@dataclass(frozen=True)
class Pipeline:
    """What a card does to a picture: call it with a PIL picture, get (size, size, C).

    The result is float32 in [0, 1] for "efficientnet-tf", uint8 for all others.
    timm: what "timm-eval" does. Raises DataError for a picture that it cannot take.
    """

    kind: str
    size: int
    channels: int = 3
    timm: TimmEval | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("preprocessing", self.kind, KINDS)
        if self.size < 1:
            raise UsageError(f"size = {self.size} is not possible: give the edge in pixels")
        if self.channels not in {1, 3}:
            raise UsageError(f"channels = {self.channels} is not possible: pictures have 1 or 3")
        if (self.kind == "timm-eval") != (self.timm is not None):
            raise UsageError("preprocessing timm-eval needs an interpolation and a crop_pct")

    def __call__(self, picture: Image.Image) -> NDArray[Any]:
        """The pixels of `picture` as the network takes them, before division by 255."""
        if self.kind == "resnet-opencv":
            return resnet_opencv(picture, self.size)
        if self.kind == "efficientnet-tf":
            return efficientnet_tf(picture, self.size)
        if self.timm is not None:
            return self.timm(picture, self.size, self.channels)
        if self.kind == "center-crop":
            return center_crop(picture, self.size, self.channels)
        if picture.size != (self.size, self.size):
            raise DataError(
                f"the picture has {picture.width} x {picture.height} pixels, and this model takes"
                f" {self.size} x {self.size} without resizing; resize it first, or state for a"
                " model that is not of the zoo how: `interpolation='bicubic'` `crop_pct=0.875`"
            )
        image = to_rgb(picture)
        return image if self.channels == 3 else np.asarray(picture.convert("L"))[..., None]

    def from_file(
        self, content: bytes, picture: Image.Image, *, is_whole: bool
    ) -> NDArray[np.float32] | None:
        """See `eval.data.files.pictures.DecodesFiles`: EfficientNets' JPEGs, as TensorFlow does."""
        is_jpeg = picture.format in {"JPEG", "MPO"}
        if self.kind != "efficientnet-tf" or not is_jpeg or not tfjpeg.installed():
            return None
        height, width = picture.height, picture.width
        window = _window(height, width, self.size)
        decoded = tfjpeg.decode_window(content, height, width, window, is_whole=is_whole)
        return None if decoded is None else _efficientnet_input(decoded, self.size)

    @property
    def decoder(self) -> Decoder:
        """What makes the pixels of picture files, for a Report."""
        if self.kind != "efficientnet-tf":
            return Decoder(pillow())
        if version := tfjpeg.installed():
            return Decoder(f"JPEG as TensorFlow 1: simplejpeg {version}; others: {pillow()}")
        return Decoder(pillow(), tfjpeg.NOT_INSTALLED)


def for_card(card: ModelCard) -> Pipeline:
    """The pipeline that the card's input promises."""
    spec = card.input
    timm = None
    if spec.preprocess == "timm-eval" and spec.interpolation and spec.crop_pct:
        timm = TimmEval(spec.interpolation, spec.crop_pct, spec.crop_mode, spec.mean)
    return Pipeline(spec.preprocess, spec.size, spec.channels, timm)


def preprocess(source: bytes | Path, kind: str, size: int) -> NDArray[Any]:
    """One picture file, or its bytes, through the pipeline `kind` (one of `KINDS`).

    Returns (size, size, 3): uint8, or float32 in [0, 1] for "efficientnet-tf".
    Raises DataError, naming the file, when it cannot be decoded or is no still picture.
    """
    where = "the picture" if isinstance(source, bytes) else str(source)
    return read_picture(source, where, Pipeline(kind, size))


def _taps_opencv(n_in: int, n_out: int, start: int, stop: int) -> _Taps:
    scale = 1 / (n_out / n_in)
    place = (np.arange(start, stop) + 0.5) * scale - 0.5
    left = np.floor(place)
    f = place - left
    w0, w1, w2 = _cubic_outer(f + 1), _cubic_inner(f), _cubic_inner(1 - f)
    return _clamped(left, np.stack([w0, w1, w2, 1 - w0 - w1 - w2]), n_in)


def _taps_tf(n_in: int, n_out: int) -> _Taps:
    # Places in float32 and weights from a table: both are visible in the result's last digits.
    scale = np.float32(n_in) / np.float32(n_out)
    place = np.arange(n_out, dtype=np.float32) * scale
    left = np.floor(place)
    step = np.rint((place - left) * np.float32(_TABLE)).astype(np.int64)
    x = np.arange(_TABLE + 1) / _TABLE
    inner, outer = _cubic_inner(x), _cubic_outer(x + 1)
    weight = [outer[step], inner[step], inner[_TABLE - step], outer[_TABLE - step]]
    return _clamped(left, np.stack(weight), n_in)


def _cubic_inner(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel for distances 0 to 1."""
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _cubic_outer(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel for distances 1 to 2."""
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A


def _clamped(left: NDArray[Any], weight: NDArray[np.float64], n_in: int) -> _Taps:
    index = left.astype(np.int64) + np.arange(-1, 3)[:, None]
    return _Taps(np.clip(index, 0, n_in - 1), weight.astype(np.float32))


def _resize(image: NDArray[Any], rows: _Taps, columns: _Taps) -> NDArray[np.float32]:
    """Rows first, then columns, in float32: (H, W, C) -> (len(rows), len(columns), C)."""
    start, stop = int(columns.index.min()), int(columns.index.max()) + 1
    tall = _along_first(image[:, start:stop], rows)
    turned = np.ascontiguousarray(tall.transpose(1, 0, 2))
    wide = _along_first(turned, _Taps(columns.index - start, columns.weight))
    return np.ascontiguousarray(wide.transpose(1, 0, 2))


def _along_first(image: NDArray[Any], taps: _Taps) -> NDArray[np.float32]:
    # Added in the order of the taps, one product after another: a matrix product would be free
    # to add in any order, and the same picture would differ between machines.
    total = np.empty((taps.index.shape[1], *image.shape[1:]), np.float32)
    np.multiply(image[taps.index[0]], taps.weight[0][:, None, None], out=total)
    product = np.empty_like(total)
    for index, weight in zip(taps.index[1:], taps.weight[1:], strict=True):
        np.multiply(image[index], weight[:, None, None], out=product)
        total += product
    return total
