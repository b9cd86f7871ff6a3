"""One picture file to one array: opening, refusing what is no still picture, 8-bit RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.errors import DataError, first_line
from eval.files.border import border, plain, read_bytes
from eval.files.limits import check, limits

if TYPE_CHECKING:
    from PIL import Image

# Of Pillow's own formats those that hold one still raster picture and are decoded inside Pillow.
# Left out: EPS and WMF, which call other programs; BUFR, FITS, GRIB, HDF5 and MPEG, which are no
# pictures; icons and PSD, which hold several; formats that other packages register, since the
# data would then depend on what was imported.
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
_FORMATS = (
    *_LOSSY, "PNG", "GIF", "BMP", "PPM", "TIFF", "DDS", "DIB", "IM", "MSP", "PCD", "PCX", "PIXAR",
    "BLP", "FTEX", "QOI", "SGI", "SUN", "TGA", "XBM", "XPM",
)  # fmt: skip

# A picture to (H, W, C), uint8 or float32 in [0, 1]; must be picklable, since workers call it.
Preprocess = Callable[["Image.Image"], NDArray[Any]]


@cache
def formats() -> tuple[str, ...]:
    """The names of the formats that are read; this build of Pillow may lack some."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@cache
def suffixes(*, is_lossy: bool = False) -> frozenset[str]:
    """The endings of files in `formats`, ".jpg" and so on; is_lossy: only those that may lose."""
    from PIL import Image

    wanted = {*formats(), "MPO"}  # which the opener of JPEG opens
    wanted = wanted.intersection(_LOSSY) if is_lossy else wanted
    found = Image.registered_extensions()
    return frozenset(suffix.lower() for suffix, name in found.items() if name in wanted)


def read_picture(source: bytes | Path, where: str, preprocess: Preprocess) -> NDArray[Any]:
    """`preprocess` of the picture in `source`; `where` names it in errors.

    Raises DataError when the file is missing, is no picture, is cut off, holds several frames, or
    when `preprocess` refuses it.
    """
    picture = open_picture(source, where)
    try:
        return preprocess(picture)
    except DataError as problem:
        raise DataError(f"{where}: {problem}") from None


def open_picture(
    source: bytes | Path, where: str, kinds: Sequence[str] | None = None
) -> Image.Image:
    """The picture in `source`, decoded; EXIF and ICC profile are kept but not applied.

    kinds: the names of the formats that it may be of; by default `formats()`. Its size stands in
    its header and is held against the limit `picture_pixels` before a pixel is decoded.
    """
    from PIL import Image

    content = source if isinstance(source, bytes) else _content(source, where)
    # Pillow refuses twice as many by itself, in the middle of whatever it opens; of fewer it warns.
    Image.MAX_IMAGE_PIXELS = limits().picture_pixels
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    try:
        picture = Image.open(io.BytesIO(content), formats=tuple(kinds or formats()))
        check("picture_pixels", picture.width * picture.height, "pixels")
        # A camera's multi-picture JPEG is a still with a preview behind it; its first is meant.
        # How many frames there are is not asked: to count them may take hours.
        is_still = picture.format == "MPO" or not getattr(picture, "is_animated", False)
        if is_still:
            picture.load()
    except Exception as problem:  # whatever thirty decoders raise
        why = plain(first_line(problem))
        raise DataError(f"{where} cannot be decoded as a picture: {why}") from problem
    if not is_still:
        raise DataError(f"{where} holds several frames; a still picture is needed")
    return picture


def _content(path: Path, where: str) -> bytes:
    with border(where, DataError, "replace or remove it"):
        return read_bytes(path, "picture_bytes")


def to_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) uint8 RGB; grey becomes three equal channels, alpha is dropped.

    16-bit grey keeps its high byte, as OpenCV does. CMYK is converted without a colour profile.
    Raises DataError for pixel types without a defined range (32-bit integers, floats).
    """
    if picture.mode == "RGB":
        return np.asarray(picture)
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in {"I", "F"}:
        raise DataError(f"pixels of mode {picture.mode} have no defined range; save it with 8 bits")
    if picture.mode in {"P", "PA"}:
        picture = picture.convert("RGBA")  # resolves a transparent palette entry to its colour
    return np.asarray(picture.convert("RGB"))
