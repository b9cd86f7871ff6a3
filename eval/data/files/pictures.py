"""One picture file to one array: opening, refusing what is no still picture, 8-bit RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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

# A picture to (H, W, C), uint8 or float32 in [0, 1]; must be picklable, since decoders call it.
Preprocess = Callable[["Image.Image"], NDArray[Any]]


@dataclass(frozen=True)
class Decoder:
    """What made the pixels of picture files.

    name: with versions, for a Report. differs: why they are not quite what the preprocessing
    promises; "" where they are.
    """

    name: str
    differs: str = ""


@runtime_checkable
class DecodesFiles(Protocol):
    """A `Preprocess` that decodes some files by itself, and so by another decoder than Pillow."""

    @property
    def decoder(self) -> Decoder:
        """What makes the pixels here."""

    def from_file(
        self, content: bytes, picture: Image.Image, *, is_whole: bool
    ) -> NDArray[Any] | None:
        """The result for the file `content`; None where Pillow shall decode it.

        picture: opened, its size and format known, no pixel decoded. is_whole: False at first, when
        None also means that nobody knows whether the file is complete: then Pillow looks, which
        refuses one that is not, and the same is asked again with True.
        """


def decoder_of(preprocess: Preprocess) -> Decoder:
    """What makes the pixels of the pictures that go through `preprocess`."""
    return preprocess.decoder if isinstance(preprocess, DecodesFiles) else Decoder(pillow())


@cache
def pillow() -> str:
    """Pillow and the library by which it decodes JPEG, with versions."""
    import PIL
    from PIL import features

    turbo = features.version_feature("libjpeg_turbo")
    return f"pillow {PIL.__version__} ({f'libjpeg-turbo {turbo}' if turbo else 'another libjpeg'})"


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
    content = source if isinstance(source, bytes) else _content(source, where)
    picture = _opened(content, where, None)
    itself = preprocess if isinstance(preprocess, DecodesFiles) else None
    with _named(where):
        pixels = itself.from_file(content, picture, is_whole=False) if itself else None
    if pixels is not None:
        return pixels
    _load(picture, where)
    with _named(where):
        pixels = itself.from_file(content, picture, is_whole=True) if itself else None
        return preprocess(picture) if pixels is None else pixels


def open_picture(
    source: bytes | Path, where: str, kinds: Sequence[str] | None = None
) -> Image.Image:
    """The picture in `source`, decoded; EXIF and ICC profile are kept but not applied.

    kinds: the names of the formats that it may be of; by default `formats()`. Its size stands in
    its header and is held against the limit `picture_pixels` before a pixel is decoded.
    """
    content = source if isinstance(source, bytes) else _content(source, where)
    picture = _opened(content, where, kinds)
    _load(picture, where)
    return picture


def _opened(content: bytes, where: str, kinds: Sequence[str] | None) -> Image.Image:
    """The picture, of which nothing but the header is read."""
    from PIL import Image

    # Pillow refuses twice as many by itself, in the middle of whatever it opens; of fewer it warns.
    Image.MAX_IMAGE_PIXELS = limits().picture_pixels
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    try:
        picture = Image.open(io.BytesIO(content), formats=tuple(kinds or formats()))
        check("picture_pixels", picture.width * picture.height, "pixels")
        # A camera's multi-picture JPEG is a still with a preview behind it; its first is meant.
        # How many frames there are is not asked: to count them may take hours.
        is_still = picture.format == "MPO" or not getattr(picture, "is_animated", False)
    except Exception as problem:  # whatever thirty decoders raise
        raise _undecodable(where, problem) from problem
    if not is_still:
        raise DataError(f"{where} holds several frames; a still picture is needed")
    return picture


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except DataError as problem:
        raise DataError(f"{where}: {problem}") from None


def _load(picture: Image.Image, where: str) -> None:
    try:
        picture.load()
    except Exception as problem:  # whatever thirty decoders raise
        raise _undecodable(where, problem) from problem


def _undecodable(where: str, problem: Exception) -> DataError:
    return DataError(f"{where} cannot be decoded as a picture: {plain(first_line(problem))}")


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
