"""Six small pictures under names of ImageNet, and what a reader of them must keep to."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from eval.data import ImageSet, open_data
from eval.data.files.pictures import to_rgb
from eval.data.imagenet import imagenet

Found = dict[str, tuple[int, bytes]]
"""Label and pixels of each id."""


def pictures() -> dict[str, bytes]:
    """PNG files by their path in class folders: one format that has checksums, in little space."""
    rng = np.random.default_rng(2)
    files = {}
    for number in range(1, 7):
        synset = imagenet.synsets()[imagenet.val_labels()[number - 1]]
        stream = io.BytesIO()
        levels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(levels).save(stream, "PNG")
        files[f"{synset}/ILSVRC2012_val_{number:08d}.png"] = stream.getvalue()
    return files


def read_imagenet(folder: Path) -> tuple[Found, bool]:
    """What a user gets of the archive in `folder`, and whether files are told to be passed over."""
    images = open_data(
        "imagenet", data_dir=folder, preprocess=to_rgb, allow_partial=True, n_decoders=0
    )
    return content_of(images), bool(images.passed_over)


def content_of(images: ImageSet) -> Found:
    """Every image, without torch."""
    pixels = images.source.read(images.rows)
    labels = images.labels.tolist()
    return {
        one: (label, x.tobytes()) for one, label, x in zip(images.ids, labels, pixels, strict=True)
    }


def strangers(found: Found, original: Found) -> str:
    """The first image whose label or pixels are not those that were put in, or ""."""
    for one, content in found.items():
        if one not in original:
            return f"{one} was not there"
        if content != original[one]:
            return f"{one} has another label or other pixels"
    return ""


def bomb(width: int, height: int) -> bytes:
    """A valid PNG of one colour, of a few kilobytes for each 100 megapixels' worth said."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min((width // 8 + 2) * height, 10**7)), 1)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def is_right_png(data: bytes) -> bool:
    """Whether every chunk has its checksum."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        crc = data[at + 8 + size : at + 12 + size]
        if crc != struct.pack(">I", zlib.crc32(data[at + 4 : at + 8 + size])):
            return False
        at += 12 + size
    return at == len(data)
