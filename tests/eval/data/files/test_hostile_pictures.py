"""Pictures, and lists of their classes, that ask for more than they are."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import open_folder
from eval.data.files.pictures import open_picture, read_picture, to_rgb
from eval.errors import DataError
from eval.files.limits import VARIABLE
from tests.bounded import complaint, refused


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )  # fmt: skip


def png_bomb(width: int, height: int, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10**7), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels)


def tiff_of(n_frames: int) -> bytes:
    """A TIFF of one-pixel frames, which are chained in the order of the file."""
    frame = struct.pack("<H", 4) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 1), (257, 1), (273, 8), (279, 1))
    )
    size = len(frame) + 4
    chained = (
        frame + struct.pack("<I", 9 + (k + 1) * size if k + 1 < n_frames else 0)
        for k in range(n_frames)
    )
    return b"II*\0" + struct.pack("<I", 9) + b"\0" + b"".join(chained)


def gif_of(n_frames: int) -> bytes:
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * n_frames + b";"


_BMP = (54, 0, 54, 40, 65535, 65535, 1, 24, 0, 0, 0, 0, 0, 0)
_SECOND = [Image.new("L", (8, 8), 9)]
BOMBS = {
    "PNG of a million million": png_bomb(10**6, 10**6),
    "PNG just above": png_bomb(8001, 8000),
    "PNG of 31 bits": png_bomb(2**31 - 1, 2**31 - 1),
    "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", *_BMP),
    "PPM": b"P6 999999 999999 255\n",
    "GIF": b"GIF89a\xff\xff\xff\xff\0\0\0" + gif_of(1)[19:],
    "JPEG": encoded(Image.new("RGB", (8, 8)), "JPEG").replace(
        struct.pack(">HH", 8, 8), struct.pack(">HH", 65500, 65500)
    ),
    "QOI": b"qoif" + struct.pack(">IIBB", 2**31, 2**31, 3, 0),
    "TGA": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 65535, 65535, 24, 0),
}  # fmt: skip


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(data: bytes) -> None:
    with refused(DataError, r"x\.png cannot be decoded as a picture: (it has|Image size|cannot)"):
        open_picture(data, "x.png")


def test_the_limit_of_pixels_is_said_and_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("L", (100, 100)), "PNG")
    monkeypatch.setenv(VARIABLE, "picture_pixels=9999")
    with refused(DataError, r"10,000 pixels, more than the 9,999 allowed; .*picture_pixels=10000"):
        open_picture(data, "x.png")
    monkeypatch.setenv(VARIABLE, "picture_pixels=10000")
    assert open_picture(data, "x.png").size == (100, 100)


@pytest.mark.parametrize(
    "data",
    [
        tiff_of(200_000),
        gif_of(200_000),
        encoded(Image.new("L", (8, 8)), "PNG", save_all=True, append_images=_SECOND),
        encoded(Image.new("RGB", (8, 8)), "WEBP", save_all=True, append_images=_SECOND),
    ],
    ids=["TIFF", "GIF", "PNG", "WEBP"],
)  # fmt: skip
def test_frames_are_not_counted(data: bytes) -> None:
    with refused(DataError, r"x\.png (holds several frames|cannot be decoded)"):
        open_picture(data, "x.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_a_picture_cut_anywhere_is_one_sentence_or_whole(form: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(levels), form)
    whole = to_rgb(open_picture(data, "x"))

    def decode(length: int) -> None:
        # What is cut off behind the last pixel changes none.
        assert np.array_equal(to_rgb(open_picture(data[:length], "x")), whole)

    for length in range(len(data)):
        said = complaint(lambda n=length: decode(n))
        assert said.startswith("x cannot be decoded as a picture: ") or not said


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_a_picture_with_a_wrong_bit_is_a_picture_or_one_sentence(form: str) -> None:
    data = encoded(Image.new("RGB", (9, 7), "orange"), form)
    rng = np.random.default_rng(1)
    for place, bit in zip(rng.integers(0, len(data), 150), rng.integers(0, 8, 150), strict=True):
        broken = bytearray(data)
        broken[place] ^= 1 << bit
        said = complaint(lambda content=bytes(broken): open_picture(content, "x"))
        assert said.startswith("x ") or not said


def test_a_compressed_comment_of_gigabytes_is_not_unpacked() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70 * 10**6), 1))
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(70 * 10**6), 1))
    for extra in (bomb, profile):
        with refused(DataError, "cannot be decoded"):
            open_picture(png_bomb(8, 8, extra)[:-100], "x.png")


def test_a_picture_by_its_path_is_read_within_the_limits(tmp_path: Path) -> None:
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with refused(DataError, r"zero.png cannot be read \(it is no regular file\)"):
        read_picture(tmp_path / "zero.png", "zero.png", to_rgb)


@pytest.mark.parametrize("n", [2, 10**5])
def test_a_list_of_many_classes_is_read_in_a_second(tmp_path: Path, n: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(encoded(Image.new("RGB", (4, 4)), "PNG"))
    (tmp_path / "classes.txt").write_text("\n".join(["a", *map(str, range(n)), "0"]))
    with refused(DataError, r"classes\.txt names the class 0 twice"):
        open_folder(tmp_path)


@pytest.mark.parametrize("mark", [b"\n", b"\r", b"\r\n"])
def test_a_list_of_too_many_lines_is_refused_before_it_is_cut_into_lines(
    tmp_path: Path, mark: bytes
) -> None:
    (tmp_path / "classes.txt").write_bytes(mark * (20 * 10**6))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").touch()
    with refused(DataError, r"classes\.txt cannot be read \(it has 20,000,000 lines, more than"):
        open_folder(tmp_path)
    with refused(DataError, r"zero cannot be read \(it is no regular file\)"):
        (tmp_path / "zero").symlink_to("/dev/zero")
        open_folder(tmp_path, classes=tmp_path / "zero")
