"""Windows of small JPEGs of all kinds, against what TensorFlow decoded: see `make_windows.py`."""

import base64
import hashlib
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eval.errors import DataError
from zoo.tfjpeg import Window, decode_window, installed

MADE = json.loads(Path(__file__).with_name("windows.json").read_text("utf-8"))
BY_NAME = {one["name"]: one for one in MADE["pictures"]}

COMPLAINED_OF = (
    "4:2:0, bytes between segments",
    "4:2:0, an odd version of JFIF",
    "4:2:0, the end of the pixels missing",
)
"""Files that Pillow finds complete and TensorFlow decodes, but of which libjpeg complains."""


@cache
def content_of(name: str) -> bytes:
    return base64.b64decode(BY_NAME[name]["jpeg"])


@cache
def size_of(name: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(content_of(name))) as picture:
        return picture.height, picture.width


def decoded(name: str, window: Window) -> np.ndarray:
    pixels = decode_window(content_of(name), *size_of(name), window, is_whole=False)
    if pixels is None:
        assert name in COMPLAINED_OF
        pixels = decode_window(content_of(name), *size_of(name), window, is_whole=True)
    assert pixels is not None
    assert pixels.shape == (window[2], window[3], 3)
    return pixels


def other_columns(a: np.ndarray, b: np.ndarray) -> list[int]:
    """The columns in which two windows differ."""
    return np.flatnonzero((a != b).any(axis=(0, 2))).tolist()


@pytest.mark.parametrize("name", BY_NAME)
def test_windows_of_every_kind_of_jpeg_are_those_of_tensorflow_to_the_bit(name: str) -> None:
    wrong = [
        (y, x, h, w)
        for y, x, h, w, digest in BY_NAME[name]["windows"]
        if hashlib.sha256(decoded(name, (y, x, h, w)).tobytes()).hexdigest()[:12] != digest
    ]
    assert wrong == []


def test_the_windows_of_the_file_reach_every_case_of_the_border() -> None:
    cases: set[tuple[Any, ...]] = set()
    for name in ("4:2:0", "4:2:0, even", "4:2:2", "YCCK, 4:2:0"):
        cases |= {(x % 16 == 0, (x + w) % 2, w == 1) for _, x, _, w, _ in BY_NAME[name]["windows"]}
    assert {(left, right, False) for left in (True, False) for right in (0, 1)} <= cases
    assert any(is_one for *_, is_one in cases)


@st.composite
def windows(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, Window]:
    name = draw(st.sampled_from(names))
    height, width = size_of(name)
    y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return name, (y, x, draw(st.integers(1, height - y)), draw(st.integers(1, width - x)))


SMOOTHED = ("4:2:0", "4:2:0, progressive", "4:2:2", "YCCK, 4:2:0")
OTHERS = ("4:4:4", "4:4:0", "4:1:1", "grey", "untransformed RGB", "CMYK")


@settings(max_examples=80, deadline=None)
@given(windows(SMOOTHED))
def test_a_window_is_a_cut_of_the_whole_but_for_its_outer_columns(
    found: tuple[str, Window],
) -> None:
    name, (y, x, h, w) = found
    cut = decoded(name, (0, 0, *size_of(name)))[y : y + h, x : x + w]
    other = other_columns(decoded(name, (y, x, h, w)), cut)
    may = {0} if x % 16 == 0 else set()
    may |= {w - 1} if (x + w) % 2 == 0 else set()
    # A window of one column of chroma is not smoothed at all.
    assert set(other) <= may or x % 16 + w <= 2


@settings(max_examples=60, deadline=None)
@given(windows(OTHERS))
def test_where_chroma_is_not_smoothed_sideways_a_window_is_a_cut(
    found: tuple[str, Window],
) -> None:
    name, (y, x, h, w) = found
    cut = decoded(name, (0, 0, *size_of(name)))[y : y + h, x : x + w]
    assert np.array_equal(decoded(name, (y, x, h, w)), cut)


@settings(max_examples=40, deadline=None)
@given(windows(SMOOTHED))
def test_a_window_of_fewer_rows_has_the_same_pixels(found: tuple[str, Window]) -> None:
    name, (y, x, h, w) = found
    tall = decoded(name, (0, x, size_of(name)[0], w))
    assert np.array_equal(decoded(name, (y, x, h, w)), tall[y : y + h])


@pytest.mark.parametrize("cut", [-1, -2, -200, 40])
def test_of_a_file_cut_off_nothing_is_said_before_it_is_known_to_be_whole(cut: int) -> None:
    name = "4:2:0"
    content = content_of(name)[:cut]
    assert decode_window(content, *size_of(name), (0, 0, 8, 8), is_whole=False) is None


def test_a_file_that_cannot_be_decoded_is_an_error_of_one_sentence() -> None:
    with pytest.raises(DataError, match=r"simplejpeg cannot decode it \(.*\); save it anew"):
        decode_window(content_of("grey")[:100], 39, 52, (0, 0, 8, 8), is_whole=True)


def test_a_file_with_two_sizes_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(DataError, match="says 7 x 9 pixels, and simplejpeg reads 52 x 39"):
        decode_window(content_of("grey"), 9, 7, (0, 0, 4, 4), is_whole=False)


@pytest.mark.parametrize("name", COMPLAINED_OF)
def test_of_a_file_with_a_fault_nothing_is_said_before_it_is_known_to_be_whole(name: str) -> None:
    assert decode_window(content_of(name), *size_of(name), (0, 0, 8, 8), is_whole=False) is None


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(BY_NAME)), st.integers(2, 700), st.integers(0, 255), st.booleans())
def test_a_jpeg_with_a_wrong_byte_is_a_picture_or_one_sentence(
    name: str, place: int, byte: int, is_whole: bool
) -> None:
    content = bytearray(content_of(name))
    content[min(place, len(content) - 1)] = byte
    pixels, said = None, ""
    try:
        pixels = decode_window(bytes(content), *size_of(name), (0, 0, 1, 1), is_whole=is_whole)
    except DataError as problem:
        said = str(problem)
    assert "\n" not in said
    assert pixels is None or pixels.shape == (1, 1, 3)


def test_the_package_is_here() -> None:
    assert installed()
