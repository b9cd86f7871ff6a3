"""Packed images come back to the bit, whatever they are, and a reader takes what it was told."""

import zlib
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.evidence.packing import STREAMS, Floats, Packed, pack, unpack

EPS = 8 / 255
SHAPE = (6, 3, 9, 5)


def pictures(
    seed: int, shape: tuple[int, ...] = SHAPE, highest: int = 255
) -> tuple[Floats, Floats]:
    """Pixels k/highest, and around them what an attack in Linf leaves."""
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, highest + 1, shape) / np.float32(highest)).astype(np.float32)
    steps = np.where(rng.random(shape) < 0.2, rng.uniform(-EPS, EPS, shape), EPS)
    moved = x + (steps * rng.choice([-1, 1], shape)).astype(np.float32)
    return np.clip(moved, 0, 1).astype(np.float32), x


def any_floats(shape: tuple[int, ...]) -> st.SearchStrategy[Floats]:
    """Any bits at all: NaN with a payload, infinities, -0, denormal numbers."""
    bits = hnp.arrays(np.uint32, shape, elements=st.integers(0, 2**32 - 1))
    return bits.map(lambda found: found.view(np.float32))


@given(x_adv=any_floats((2, 3, 4, 3)), x=any_floats((2, 3, 4, 3)), eps=st.floats(0, 1))
def test_any_bits_come_back(x_adv: Floats, x: Floats, eps: float) -> None:
    found, clean = unpack(pack(x_adv, x, eps), x_adv.shape, eps)
    assert found.tobytes() == x_adv.tobytes()
    assert clean is None or clean.tobytes() == x.tobytes()


@given(seed=st.integers(0, 2**32), strange=any_floats((7,)), eps=st.sampled_from([EPS, 0.5, 0.0]))
def test_images_of_an_attack_come_back_with_their_clean_ones(
    seed: int, strange: Floats, eps: float
) -> None:
    x_adv, x = pictures(seed)
    x_adv.ravel()[::40][: len(strange)] = strange[: len(x_adv.ravel()[::40])]
    for clean_x in (None, x, x * np.float32(0.9)):
        packed = pack(x_adv, clean_x, eps)
        found, clean = unpack(packed, SHAPE, eps)
        assert found.tobytes() == x_adv.tobytes()
        assert clean is None or (clean_x is not None and clean.tobytes() == clean_x.tobytes())


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (1, 1, 1, 1), (3, 4, 1, 7), (5, 1, 8, 8)])
def test_small_shapes_come_back(shape: tuple[int, int, int, int]) -> None:
    x_adv, x = pictures(1, shape)
    assert unpack(pack(x_adv, x, EPS), shape, EPS)[0].tobytes() == x_adv.tobytes()


def test_pieces_are_joined_where_the_images_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.evidence.packing._AT_ONCE", 200)
    x_adv, x = pictures(2)
    found, clean = unpack(pack(x_adv, x, EPS), SHAPE, EPS)
    assert found.tobytes() == x_adv.tobytes()
    assert clean is not None
    assert clean.tobytes() == x.tobytes()


def test_the_smallest_kind_is_taken_and_it_is_smaller_than_compressed_pixels() -> None:
    x_adv, x = pictures(3, (40, 3, 32, 32))
    packed = pack(x_adv, x, EPS)
    assert packed.kind == "levels"  # noise has no neighbours that let expect anything
    assert packed.size < len(zlib.compress(x_adv.tobytes(), 9)) < x_adv.nbytes
    smooth = np.cumsum(np.ones_like(x), axis=3) / np.float32(255)
    assert pack(smooth + np.float32(EPS), smooth, EPS).kind == "levels-differences"
    of_many_levels = np.random.default_rng(0).random(x.shape, np.float32)
    assert pack(x_adv, of_many_levels, EPS).kind == "bytes"


@pytest.fixture
def packed() -> Packed:
    """Of levels that are no k/255."""
    return pack(*pictures(4, highest=7), EPS)


def changed(packed: Packed, name: str, content: bytes) -> Packed:
    return replace(packed, streams={**packed.streams, name: content})


@pytest.mark.parametrize("name", STREAMS["levels"])
def test_a_stream_that_holds_less_or_more_is_refused(packed: Packed, name: str) -> None:
    content = zlib.decompress(packed.streams[name])
    for other, message in (
        (zlib.compress(content[:-1]), f"its {name} ends early"),
        (zlib.compress(content + b"\0"), f"its {name} goes on after the last image"),
        (zlib.compress(content + bytes(10**7)), f"its {name} goes on after the last image"),
        (packed.streams[name] + b"\0", f"its {name} goes on after the last image"),
        (packed.streams[name][:-9], "ends early|goes on"),
        (b"no zlib", f"its {name} cannot be unpacked"),
        (b"", f"its {name} ends early"),
    ):
        with pytest.raises(ValueError, match=message):
            unpack(changed(packed, name, other), SHAPE, EPS)


def test_what_does_not_belong_together_is_refused(packed: Packed) -> None:
    with pytest.raises(ValueError, match="levels and speaks of"):
        unpack(replace(packed, levels=packed.levels[:3]), SHAPE, EPS)
    with pytest.raises(ValueError, match="instead of x_adv"):
        unpack(replace(packed, kind="bytes"), SHAPE, EPS)
    plain = pack(pictures(4)[0], None, EPS)
    for other in ({"levels": packed.levels}, {"grid": 255}):
        with pytest.raises(ValueError, match="stored without"):
            unpack(replace(plain, **other), SHAPE, EPS)
    for other in ({"grid": 254, "levels": packed.levels[:0]}, {"grid": 16}):
        with pytest.raises(ValueError, match="which is none of"):
            unpack(replace(packed, **other), SHAPE, EPS)
    with pytest.raises(ValueError, match="ends early"):
        unpack(packed, (7, *SHAPE[1:]), EPS)
    with pytest.raises(ValueError, match="go on after"):
        unpack(packed, (5, *SHAPE[1:]), EPS)
