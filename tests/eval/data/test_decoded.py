"""Each picture is decoded once as far as memory allows, and no bit of it changes by that."""

import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from eval import attack, evaluate
from eval.data import ImageSet, decoded, decoded_once, from_arrays, open_folder
from eval.data.base import Rows
from eval.data.decoded import Decoded
from eval.data.files import files
from eval.data.files.pictures import to_rgb
from tests.eval.data.conftest import undecoded

N = 50
SHAPE = (3, 4, 4)
LEVELS_BYTES = 48
ROWS = np.arange(N)


@pytest.fixture
def n_decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded in this process."""
    counts: Counter[str] = Counter()
    read = files.read_picture

    def counted(source: bytes | Path, where: str, preprocess: files.Preprocess) -> NDArray:
        counts[where] += 1
        return read(source, where, preprocess)

    monkeypatch.setattr(files, "read_picture", counted)
    return counts


@dataclass(eq=False)
class Counted:
    """A source of the user's own, which counts what it decodes."""

    pixels: NDArray[np.float32]
    counts: Counter[int] = field(default_factory=Counter)

    def read(self, rows: Rows) -> NDArray[np.float32]:
        self.counts.update(rows.tolist())
        return self.pixels[rows]

    def stream(self, rows: Rows, batch_size: int) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(rows), batch_size):
            yield self.read(rows[start : start + batch_size])

    def problems(self, rows: Rows) -> list[str]:
        self.counts.update(rows.tolist())
        return [""] * len(rows)


def net(shape: tuple[int, ...] = SHAPE) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)).eval()


def half(picture: Image.Image) -> NDArray[np.float32]:
    """A preprocessing whose result is no whole level."""
    return to_rgb(picture).astype(np.float32) / np.float32(510)


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("name", ["clean", "pgd-3", "autoattack-rand"])
def test_an_evaluation_decodes_each_picture_once(
    folder: Path, tmp_path_factory, n_decoded: Counter[str], name: str, with_journal: bool
) -> None:
    images = open_folder(folder, n_decoders=0).take(12)
    # Without an attack there are no verdicts to keep, and a journal is refused.
    has_one = with_journal and name != "clean"
    journal = tmp_path_factory.mktemp("journal") if has_one else None
    evaluate(net(), images, attack=name, eps="1/255", batch_size=5, journal=journal)
    assert len(n_decoded) == 12
    assert set(n_decoded.values()) == {1}


def test_a_report_says_the_same_whether_pictures_are_kept_or_not(folder: Path) -> None:
    images = open_folder(folder, n_decoders=0)
    reports = [
        evaluate(net(), one, attack="pgd-3", eps="4/255", batch_size=7)
        for one in (images, undecoded(images))
    ]
    assert reports[0].data == reports[1].data
    assert reports[0].images == reports[1].images


@pytest.mark.parametrize("preprocess", [to_rgb, half])
@pytest.mark.parametrize("n_decoders", [0, 2])
def test_what_was_found_readable_is_not_decoded_again(
    folder: Path, n_decoded: Counter[str], n_decoders: int, preprocess: files.Preprocess
) -> None:
    images = open_folder(folder, preprocess=preprocess, n_decoders=n_decoders)
    assert images.without_unreadable() is images
    before = Counter(n_decoded)  # decoders count for themselves
    images.pixels_sha256()
    images.batch([3, 1])
    assert n_decoded == before
    assert len(images.source._kept) == N


def test_a_selection_shares_what_is_kept(folder: Path, n_decoded: Counter[str]) -> None:
    images = open_folder(folder, n_decoders=0)
    images.take(10).pixels_sha256()
    images.select([9, 3]).batch([0, 1])
    images.select_ids([images.ids[4]]).batch([0])
    images.subset(N, seed=0).select(range(10)).batch(range(10))
    assert set(n_decoded.values()) == {1}
    assert len(n_decoded) == 10


def test_nothing_else_of_a_set_changes(folder: Path) -> None:
    before = undecoded(open_folder(folder, n_decoders=0).take(7))
    after = decoded_once(before)
    for one in fields(ImageSet):
        if one.name != "source":
            assert getattr(after, one.name) is getattr(before, one.name)
    assert isinstance(after.source, Decoded)
    assert after.source.inner is before.source
    assert after.pixels_sha256() == before.pixels_sha256()


def test_images_in_memory_and_sets_that_keep_already_are_given_back() -> None:
    memory = from_arrays(np.zeros((4, 2, 2), np.uint8), [0, 1, 0, 1])
    assert decoded_once(memory) is memory
    once = decoded_once(replace(memory, source=Counted(np.zeros((4, 1, 2, 2), np.float32))))
    assert decoded_once(once) is once


PIXELS = st.one_of(
    st.integers(0, 255).map(lambda k: np.float32(k) / np.float32(255)),
    st.integers(0, 255).map(lambda k: np.float32(k) * np.float32(1 / 255)),  # not all the same
    st.integers(0, 510).map(lambda k: np.float32(k) / np.float32(510)),
    st.sampled_from([np.float32(x) for x in ("-0.0", "nan", "inf", "-inf", "1e-45", "3e38", "2")]),
    st.floats(-1, 2, width=32).map(np.float32),
)


@given(
    pixels=arrays.arrays(np.float32, (6, 1, 2, 2), elements=PIXELS),
    is_whole=st.lists(st.booleans(), min_size=6, max_size=6),
    calls=st.lists(
        st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 4)),
        max_size=6,
    ),
    limit=st.integers(0, 100),
)
def test_every_bit_is_that_of_the_source(
    pixels: NDArray, is_whole: list[bool], calls: list[tuple[list[int], int]], limit: int
) -> None:
    levels = np.arange(24, dtype=np.float32).reshape(pixels.shape) / np.float32(255)
    pixels = np.where(np.array(is_whole)[:, None, None, None], levels, pixels)
    source = Decoded(Counted(pixels), limit)
    for chosen, batch_size in calls:
        rows = np.array(chosen)
        pieces = [source.read(rows)] if not batch_size else list(source.stream(rows, batch_size))
        if batch_size:
            assert [len(p) for p in pieces] == [
                len(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size)
            ]
        got = np.concatenate(pieces)
        assert got.tobytes() == pixels[rows].tobytes()
        assert all(p.dtype == np.float32 and p.flags.c_contiguous for p in pieces)
        assert sum(one.nbytes for one in source._kept.values()) == source._n_bytes <= limit


def test_all_levels_are_kept_in_8_bits_and_nothing_else_is() -> None:
    levels = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(1, 1, 16, 16)
    nearly = np.nextafter(levels, np.float32(2))
    source = Decoded(Counted(np.concatenate([levels, nearly])))
    source.read(np.array([0, 1]))
    assert [source._kept[row].dtype for row in (0, 1)] == [np.uint8, np.float32]


@pytest.mark.parametrize("n_kept", [0, 3, N])
@pytest.mark.parametrize("preprocess", [to_rgb, half])
def test_beyond_the_limit_pictures_are_decoded_again_and_the_first_ones_stay(
    folder: Path, n_decoded: Counter[str], n_kept: int, preprocess: files.Preprocess
) -> None:
    images = undecoded(open_folder(folder, preprocess=preprocess, n_decoders=0))
    size = LEVELS_BYTES * (1 if preprocess is to_rgb else 4)
    source = Decoded(images.source, n_kept * size + size - 1)
    first = np.concatenate(list(source.stream(ROWS, 8)))
    for batch_size in (5, 64):
        assert np.array_equal(np.concatenate(list(source.stream(ROWS, batch_size))), first)
    assert np.array_equal(source.read(ROWS[::-1].copy()), first[::-1])
    assert set(source._kept) == set(range(n_kept))
    assert sorted(n_decoded.values()) == [1] * n_kept + [4] * (N - n_kept)


@pytest.mark.parametrize(
    ("free", "limit"), [(2**20, 2**18), (2**31, 2**29), (2**33, 2**31), (2**40, 2**31)]
)
def test_the_limit_is_two_gib_or_a_quarter_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, limit: int
) -> None:
    monkeypatch.setattr("eval.engine.batching.free_bytes", lambda _: free)
    source = Decoded(Counted(np.zeros((2, *SHAPE), np.float32)))
    assert source.limit_bytes is None
    source.read(np.array([0]))
    assert source.limit_bytes == limit


def test_what_a_caller_does_to_a_batch_is_not_kept() -> None:
    pixels = np.full((3, *SHAPE), 0.3, np.float32)
    source = Decoded(Counted(pixels.copy()))
    for _ in range(3):
        got = source.read(np.array([0, 1]))
        assert np.array_equal(got, pixels[:2])
        got[...] = 0.7
        for piece in source.stream(np.array([1, 2]), 2):
            assert np.array_equal(piece, pixels[1:])
            piece[...] = 0.9


def test_threads_may_read_at_the_same_time() -> None:
    pixels = np.random.default_rng(0).random((N, *SHAPE), np.float32)
    limit = 30 * pixels[0].nbytes
    source = Decoded(Counted(pixels), limit)
    orders = [np.random.default_rng(seed).permutation(N) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: np.concatenate(list(source.stream(rows, 3))), orders))
    for rows, got in zip(orders, found, strict=True):
        assert np.array_equal(got, pixels[rows])
    assert sum(one.nbytes for one in source._kept.values()) == source._n_bytes == limit


def test_a_source_of_the_users_own_is_asked_once_too() -> None:
    counted = Counted(np.random.default_rng(0).random((9, *SHAPE), np.float32))
    images = from_arrays(np.zeros((9, 4, 4, 3), np.uint8), [0, 1, 2] * 3)
    images = decoded_once(replace(images, source=counted))
    evaluate(net(), images, attack="pgd-2", eps="1/255", batch_size=4)
    assert set(counted.counts.values()) == {1}


def test_only_the_source_itself_travels_to_another_process(folder: Path) -> None:
    images = open_folder(folder, n_decoders=0)
    images.batch(range(N))
    copy = pickle.loads(pickle.dumps(images.source))
    assert copy._kept == {}
    assert np.array_equal(copy.read(ROWS), images.source.read(ROWS))


def test_a_file_that_changes_after_its_picture_was_kept_is_not_looked_at_again(
    folder: Path, png: Callable[..., bytes]
) -> None:
    images = open_folder(folder, n_decoders=0)
    before, digest = images.batch([0, 1]).x, images.take(2).pixels_sha256()
    (folder / images.ids[0]).write_bytes(png(1000))
    (folder / images.ids[1]).unlink()
    assert torch.equal(images.batch([0, 1]).x, before)
    assert images.take(2).pixels_sha256() == digest
    changed = open_folder(folder, n_decoders=0).batch([0]).x
    assert not torch.equal(changed, before[:1])


def test_an_attack_of_images_in_memory_keeps_nothing_twice() -> None:
    kept: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoded, "as_stored", kept.append)
        attack(net(), torch.rand(3, *SHAPE), torch.zeros(3, dtype=torch.long), "pgd-1")
    assert kept == []


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, eval.data.decoded; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
