import io

import numpy as np
import pytest
from PIL import Image

from eval.data.files.pictures import open_picture, to_rgb
from eval.errors import DataError
from eval.files.limits import VARIABLE


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def test_16_bit_grey_keeps_its_high_byte() -> None:
    deep = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + 7
    got = to_rgb(open_picture(encoded(Image.fromarray(deep), "PNG"), "x.png"))
    assert np.array_equal(got[..., 1], np.arange(256).reshape(16, 16))


def test_a_transparent_palette_keeps_its_colours() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    read = open_picture(encoded(picture, "PNG", transparency=b"\x80\x80"), "x.png")
    assert to_rgb(read)[0, 0].tolist() == [10, 20, 30]


def test_a_picture_that_is_too_large_to_trust_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (50, 40)), "PNG")
    monkeypatch.setenv(VARIABLE, "picture_pixels=1999")
    with pytest.raises(DataError, match=r"y.png cannot be .*: it has 2,000 pixels, more than the"):
        open_picture(data, "y.png")
    monkeypatch.setenv(VARIABLE, "picture_pixels=100")
    with pytest.raises(DataError, match=r"y.png cannot be decoded as a picture: Image size"):
        open_picture(data, "y.png")


def test_a_camera_picture_with_a_preview_is_a_still() -> None:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(stream, "MPO", save_all=True, append_images=frames[1:])
    pixels = to_rgb(open_picture(stream.getvalue(), "x.jpg"))
    assert pixels[0, 0, 0] > 200
