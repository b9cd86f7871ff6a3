"""How `windows.json` was made: small JPEGs of all kinds, and what TensorFlow decodes of them.

    pip install tensorflow-cpu pillow simplejpeg
    python tests/zoo/tfjpeg/make_windows.py

The tests read the file and need no TensorFlow. For each window there is the digest of the pixels
that `tf.image.decode_and_crop_jpeg` gives with its defaults.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

OUT = Path(__file__).with_name("windows.json")
N_RANDOM = 24


def levels(height: int, width: int, seed: int, channels: int = 3) -> np.ndarray:
    """Waves of all lengths: every block has edges, and the files stay small."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        sum(
            60 * np.sin(rng.normal(0, 0.5) * y + rng.normal(0, 0.5) * x + rng.uniform(0, 6))
            for _ in range(3)
        )
        for _ in range(channels)
    ]
    return np.clip(128 + np.stack(planes, -1), 0, 255).astype(np.uint8)


def by_pillow(pixels: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, "JPEG", quality=75, **options)
    return stream.getvalue()


def by_turbo(pixels: np.ndarray, sampling: str, space: str = "RGB") -> bytes:
    return simplejpeg.encode_jpeg(pixels, 75, space, sampling)


def without(content: bytes, marker: int) -> bytes:
    """The file without the segments of one marker, which must not lie behind its pixels."""
    start = content.index(bytes([0xFF, marker]))
    stop = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    return content[:start] + content[stop:]


def pictures() -> Iterator[tuple[str, bytes]]:
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "4:2:0", by_pillow(levels(45, 61, 0), subsampling=2)
    yield "4:2:0, even", by_pillow(levels(48, 64, 1), subsampling=2)
    yield "4:2:0, progressive", by_pillow(levels(43, 50, 2), subsampling=2, progressive=True)
    yield (
        "4:2:0, restart markers",
        by_pillow(levels(50, 37, 3), subsampling=2, restart_marker_rows=1),
    )
    yield "4:2:0, to be turned", by_pillow(levels(33, 47, 4), subsampling=2, exif=turned)
    yield "4:2:2", by_pillow(levels(38, 63, 5), subsampling=1)
    yield "4:2:2, progressive", by_pillow(levels(41, 52, 6), subsampling=1, progressive=True)
    yield "4:4:4", by_pillow(levels(37, 45, 7), subsampling=0)
    yield "4:4:0", by_turbo(levels(45, 41, 8), "440")
    yield "4:1:1", by_turbo(levels(40, 70, 9), "411")
    yield "grey", by_pillow(levels(39, 52, 10, 1)[..., 0], "L")
    yield "untransformed RGB", by_pillow(levels(30, 41, 11), keep_rgb=True)
    yield "CMYK", by_pillow(levels(34, 44, 12, 4), "CMYK")
    yield "CMYK without Adobe's marker", without(by_pillow(levels(34, 44, 13, 4), "CMYK"), 0xEE)
    yield "YCCK, 4:2:0", by_turbo(levels(35, 49, 14, 4), "420", "CMYK")
    yield "YCCK, 4:2:2", by_turbo(levels(31, 50, 15, 4), "422", "CMYK")
    yield "4:2:0, without JFIF", without(by_pillow(levels(40, 46, 16), subsampling=2), 0xE0)
    plain = by_pillow(levels(44, 59, 19), subsampling=2)
    yield "4:2:0, bytes between segments", plain[:20] + b"\x00\x01\x02" + plain[20:]
    yield "4:2:0, an odd version of JFIF", plain[:11] + b"\x07" + plain[12:]
    middle = (plain.index(b"\xff\xda") + len(plain)) // 2
    yield "4:2:0, the end of the pixels missing", plain[:middle] + b"\xff\xd9"
    yield (
        "4:2:0, a wrong byte",
        plain[:middle] + bytes([plain[middle] ^ 0x55]) + plain[middle + 1 :],
    )
    for height, width in ((1, 1), (2, 3), (5, 4), (4, 5), (9, 6), (7, 17), (18, 33)):
        yield f"4:2:0, {width} x {height}", by_pillow(levels(height, width, 17), subsampling=2)
        yield f"4:2:2, {width} x {height}", by_pillow(levels(height, width, 18), subsampling=1)


def windows(height: int, width: int, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """y, x, h, w: the whole, those of two networks, some that begin or end at a block, others."""
    yield 0, 0, height, width
    for size in (224, 600):
        side = int(np.float32(size / (size + 32)) * np.float32(min(height, width)))
        if side:
            yield (height - side + 1) // 2, (width - side + 1) // 2, side, side
    rng = np.random.default_rng(seed)
    for k in range(N_RANDOM):
        y, x = int(rng.integers(height)), int(rng.integers(width))
        x = x // 16 * 16 if k % 3 == 0 else x
        h, w = int(rng.integers(1, height - y + 1)), int(rng.integers(1, width - x + 1))
        w = min(w, 1 + k % 5) if k % 4 == 0 else w
        yield y, x, h, w


def main() -> None:
    import tensorflow as tf

    made = []
    for seed, (name, content) in enumerate(pictures()):
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
        rows = []
        for window in dict.fromkeys(windows(height, width, seed)):
            pixels = tf.image.decode_and_crop_jpeg(content, window, channels=3).numpy()
            rows.append([*window, hashlib.sha256(pixels.tobytes()).hexdigest()[:12]])
        made.append({"name": name, "jpeg": base64.b64encode(content).decode(), "windows": rows})
    content = {"tensorflow": tf.__version__, "pictures": made}
    OUT.write_text(
        json.dumps(content, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n"
    )
    n_windows = sum(len(one["windows"]) for one in made)
    sys.stdout.write(f"{len(made)} pictures, {n_windows} windows: {OUT}\n")


if __name__ == "__main__":
    main()
