"""A window of a JPEG as TensorFlow 1 decoded it, to the bit.

`tf.image.decode_and_crop_jpeg` is libjpeg-turbo with the fast integer DCT and smooth chroma, told
to decode the columns of blocks that the window touches and no others. The package `simplejpeg` has
both switches and decodes the whole picture, which gives the same pixels but in one place: chroma
at half the width is smoothed with the column beside it, and TensorFlow had none beyond the first
and the last column that it decoded. So at most the window's outer columns differ; they are computed
here again. Rows are skipped by libjpeg-turbo with their neighbours in view, and do not differ.

Sources: TensorFlow 1.15, core/lib/jpeg/jpeg_mem.cc; libjpeg-turbo, jdapistd.c (jpeg_crop_scanline)
and jdsample.c (h2v1_fancy_upsample, h2v2_fancy_upsample). Compared with both TensorFlow 1.15 and
2.21. Differs from the source in refusing a file that is cut off below the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from eval.errors import DataError, first_line
from eval.files.border import plain

__all__ = ["NOT_INSTALLED", "PACKAGE", "Window", "decode_window", "installed"]

PACKAGE = "simplejpeg"

NOT_INSTALLED = (
    "JPEG files were decoded by Pillow and not as TensorFlow did, whose pixels this model was"
    f" measured on: they differ by 0.3 to 1.5 levels of 255 in the mean; pip install {PACKAGE}"
)
"""What a Report says without the package."""

Window = tuple[int, int, int, int]
"""y, x, height and width of a part of a picture, in pixels."""

_APP0, _APP14, _START_OF_SCAN = 0xE0, 0xEE, 0xDA
_BLOCKS = 16  # pixels in a column of blocks where chroma has half the width
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_PLAIN_COLOURS = (
    b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # Adobe's marker: untransformed
)


@cache
def installed() -> str:
    """The version of `simplejpeg`; "" where it is not installed or cannot be imported."""
    try:
        import simplejpeg  # noqa: F401

        return version(PACKAGE)
    except (ImportError, OSError, PackageNotFoundError):
        return ""


def decode_window(
    content: bytes, height: int, width: int, window: Window, *, is_whole: bool
) -> NDArray[np.uint8] | None:
    """The pixels (h, w, 3) uint8 RGB in `window` of the JPEG file `content`.

    height, width: of the picture, as its header says; EXIF orientation is ignored.
    is_whole: whether the file is known to be complete. None if that has to be found out first,
    since the decoder complains: of a file cut off, or of something that it can do without.
    Raises DataError for a complete file that cannot be decoded.
    """
    try:
        # Strict or not, simplejpeg refuses what libjpeg passes over with a warning in a header.
        jpeg = _opened(_tidied(content) if is_whole else content, is_strict=not is_whole)
        if (jpeg.height, jpeg.width) != (height, width):
            raise DataError(
                f"its header says {width} x {height} pixels, and simplejpeg reads {jpeg.width} x"
                f" {jpeg.height}; save the picture anew"
            )
        return jpeg.window(*window)
    except DataError:
        raise
    except Exception as problem:  # a ValueError mostly, a KeyError for what it has no name for
        if not is_whole:
            return None
        said = plain(f"{type(problem).__name__}: {first_line(problem)}")
        raise DataError(f"simplejpeg cannot decode it ({said}); save it anew") from problem


@dataclass(frozen=True)
class _Jpeg:
    """space: "YCbCr", "RGB", "Gray", "CMYK" or "YCCK"; sampling: of chroma, "420" and so on."""

    content: bytes
    is_strict: bool
    height: int
    width: int
    space: str
    sampling: str

    def window(self, y: int, x: int, h: int, w: int) -> NDArray[np.uint8]:
        """See `decode_window`."""
        is_half = self.space in {"YCbCr", "YCCK"} and self.sampling in {"420", "422"}
        # Chroma columns that TensorFlow decoded; with a single one it did not smooth.
        n_chroma = (x % _BLOCKS + w + 1) // 2
        pixels = self._decoded(self.content, is_smooth=not is_half or n_chroma > 1)
        pixels = pixels[y : y + h, x : x + w].copy()
        # With two columns of chroma in the whole picture there was nothing to smooth anyway.
        if is_half and n_chroma > 1 and self.width > 4:
            # Of the first column that was decoded, and of the last: where in the window, and what
            # libjpeg adds before it divides by 16.
            outer = {0: 8} if x % _BLOCKS == 0 else {}
            outer |= {w - 1: 7} if (x + w) % 2 == 0 else {}
            self._mend(pixels, y, x, outer)
        if self.space in {"CMYK", "YCCK"}:
            return _from_cmyk(pixels, is_inverted=_is_adobe(self.content))
        return pixels

    def _decoded(self, content: bytes, *, is_smooth: bool) -> NDArray[np.uint8]:
        from simplejpeg import decode_jpeg

        pixels: NDArray[np.uint8] = decode_jpeg(
            content,
            "CMYK" if self.space in {"CMYK", "YCCK"} else "RGB",
            fastdct=True,
            fastupsample=not is_smooth,
            strict=self.is_strict,
        )
        return pixels

    def _mend(self, pixels: NDArray[np.uint8], y: int, x: int, outer: dict[int, int]) -> None:
        """Write the `outer` columns of the window's `pixels` anew, without what lies outside."""
        if not outer:
            return
        # Called untransformed and not to be smoothed, luma and chroma come out as they are stored.
        planes = self._decoded(_untransformed(self.content), is_smooth=False)
        rows = np.arange(y, y + len(pixels))
        for column, rounding in outer.items():
            stored = planes[:, x + column].astype(np.int32)
            chroma = stored[rows, 1:3]
            if self.sampling == "420":
                halves = stored[::2, 1:3]
                near = rows // 2
                far = np.clip(near + rows % 2 * 2 - 1, 0, len(halves) - 1)
                chroma = (4 * (3 * halves[near] + halves[far]) + rounding) >> 4
            colours = _from_ycc(stored[rows, 0], chroma)
            pixels[:, column, :3] = 255 - colours if self.space == "YCCK" else colours


def _opened(content: bytes, *, is_strict: bool) -> _Jpeg:
    from simplejpeg import decode_jpeg_header

    height, width, space, sampling = decode_jpeg_header(content, strict=is_strict)
    return _Jpeg(content, is_strict, height, width, space, sampling)


def _from_ycc(luma: NDArray[np.int32], chroma: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(n,) and (n, 2) with Cb before Cr -> (n, 3) RGB: JFIF's formula in 16-bit fixed point."""
    blue, red = (chroma - 128).T
    half = 1 << 15
    # 2^16 times 1.402, 0.34414, 0.71414 and 1.772, as libjpeg rounds them.
    r = luma + ((91881 * red + half) >> 16)
    g = luma + ((-22554 * blue - 46802 * red + half) >> 16)
    b = luma + ((116130 * blue + half) >> 16)
    return np.stack([r, g, b], axis=-1).clip(0, 255).astype(np.uint8)


def _from_cmyk(pixels: NDArray[np.uint8], *, is_inverted: bool) -> NDArray[np.uint8]:
    """(H, W, 4) -> (H, W, 3) as TensorFlow does; files with Adobe's marker hold 255 - ink."""
    light = pixels if is_inverted else 255 - pixels
    product = light[..., :3].astype(np.uint16) * light[..., 3:]
    return (product // 255).astype(np.uint8)


def _untransformed(content: bytes) -> bytes:
    """The same file, which says that its colours are stored as they are to be shown."""
    kept = [content[:2], _PLAIN_COLOURS]
    for marker, start, stop in _segments(content):
        if marker not in {_APP0, _APP14}:
            kept.append(content[start:stop])
    return b"".join(kept)


def _tidied(content: bytes) -> bytes:
    """The same file without what libjpeg only complains of in a header, strays and odd versions."""
    kept = [content[:2]]
    for marker, start, stop in _segments(content):
        is_jfif = marker == _APP0 and content[start + 4 : start + 9] == b"JFIF\0"
        kept.append(_JFIF if is_jfif else content[start:stop])
    return b"".join(kept)


def _is_adobe(content: bytes) -> bool:
    return any(
        marker == _APP14 and content[start + 4 : start + 9] == b"Adobe"
        for marker, start, _ in _segments(content)
    )


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment of a JPEG before its pixels: marker, start, end; the last has all the rest.

    Bytes between segments, which decoders pass over, are in none.
    """
    start = 2
    while (start := content.find(b"\xff", start)) >= 0 and start + 4 <= len(content):
        marker = content[start + 1]
        if marker in {0x00, 0xFF}:
            start += 1
            continue
        if marker == _START_OF_SCAN:
            yield marker, start, len(content)
            return
        stop = start + 2 + int.from_bytes(content[start + 2 : start + 4])
        yield marker, start, stop
        start = stop
