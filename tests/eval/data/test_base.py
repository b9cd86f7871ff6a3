import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.data import ImageSet, from_arrays
from eval.data.arrays import in_memory
from eval.errors import DataError, UsageError

N = 7


def small_set(*, official: bool = False, shortfall: str = "") -> ImageSet:
    rng = np.random.default_rng(0)
    return in_memory(
        rng.integers(0, 256, (N, 3, 4, 5), dtype=np.uint8),
        np.arange(N, dtype=np.int64) % 3,
        [f"id{i}" for i in range(N)],
        name="small",
        split="test",
        n_classes=3,
        scale=255,
        official_subset=official,
        layout="",
        shortfall=shortfall,
    )


@given(batch_size=st.integers(1, N + 3))
def test_batches_joined_are_the_whole_set_whatever_the_cut(batch_size: int) -> None:
    images = small_set()
    whole = images.batch(range(N))
    pieces = list(images.batches(batch_size))
    assert [len(piece) for piece in pieces[:-1]] == [batch_size] * (len(pieces) - 1)
    assert sum((piece.ids for piece in pieces), ()) == images.ids == whole.ids
    assert torch.equal(torch.cat([piece.x for piece in pieces]), whole.x)
    assert torch.equal(torch.cat([piece.y for piece in pieces]), whole.y)


@given(st.permutations(range(N)), st.integers(1, N), st.integers(1, N))
def test_a_selection_of_a_selection_is_the_selection_of_both(
    order: list[int], n: int, m: int
) -> None:
    images = small_set()
    chosen = order[:n]
    twice = images.select(chosen).take(min(n, m))
    assert twice.ids == tuple(f"id{i}" for i in chosen[:m])
    assert torch.equal(twice.batch(range(len(twice))).x, images.batch(chosen[:m]).x)
    assert twice.labels.tolist() == [i % 3 for i in chosen[:m]]


def test_a_batch_is_contiguous_float32_and_labels_are_int64() -> None:
    batch = small_set().batch([2, 0, 2])
    assert batch.ids == ("id2", "id0", "id2")
    assert (batch.x.shape, batch.x.dtype, batch.y.dtype) == (
        (3, 3, 4, 5),
        torch.float32,
        torch.int64,
    )
    assert batch.x.is_contiguous()
    assert len(batch) == 3


def test_pixels_are_divided_as_torchvision_divides_them() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    got = from_arrays(levels, [0]).batch([0]).x.flatten()
    assert torch.equal(got, torch.arange(256, dtype=torch.uint8).float().div(255))


def test_changing_a_batch_does_not_change_the_set() -> None:
    images = small_set()
    before = images.pixels_sha256()
    batch = images.batch([0])
    batch.x.zero_()
    batch.y.fill_(9)
    assert small_set().pixels_sha256() == before
    assert torch.equal(images.batch([0]).y, torch.tensor([0]))


def test_labels_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        small_set().labels[0] = 2


def test_the_pixel_digest_is_over_uint8_channels_last_in_id_order() -> None:
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    images = from_arrays(levels, [0] * 5)
    assert images.pixels_sha256() == hashlib.sha256(levels.tobytes()).hexdigest()
    swapped = images.select([1, 0, 2, 3, 4])
    assert swapped.pixels_sha256() == hashlib.sha256(levels[[1, 0, 2, 3, 4]].tobytes()).hexdigest()


def test_the_id_digest_is_over_lines() -> None:
    expected = hashlib.sha256(b"id2\nid0").hexdigest()
    assert small_set().select([2, 0]).ids_sha256 == expected


@pytest.mark.parametrize(
    ("positions", "official"),
    [([0, 1, 2], True), (range(N), True), ([1, 0], False), ([0, 2], False)],
)
def test_only_the_first_images_in_order_are_an_official_subset(positions, official) -> None:
    assert small_set(official=True).select(positions).official_subset is official
    assert small_set(official=False).select(positions).official_subset is False


@pytest.mark.parametrize("n", [0, -1, N + 1])
def test_take_refuses_a_count_that_the_set_does_not_have(n: int) -> None:
    with pytest.raises(UsageError, match=f"n = {n} is not possible: small .* choose 1 to 7"):
        small_set().take(n)


def test_take_says_why_a_true_data_set_is_not_here_whole() -> None:
    with pytest.raises(DataError, match="9 images were asked for: only seven are here"):
        small_set(shortfall="only seven are here").take(9)


def test_positions_are_checked() -> None:
    images = small_set()
    with pytest.raises(UsageError, match="position 7 is outside small"):
        images.batch([0, 7])
    with pytest.raises(UsageError, match="position -1 is outside"):
        images.select([-1])
    with pytest.raises(UsageError, match="the same position twice"):
        images.select([1, 1])
    with pytest.raises(UsageError, match="at least one image"):
        images.select([])
    with pytest.raises(UsageError, match="whole numbers"):
        images.batch([0.5])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="batch_size = 0"):
        next(images.batches(0))


def test_an_empty_batch_keeps_the_image_shape() -> None:
    assert small_set().batch([]).x.shape == (0, 3, 4, 5)


def test_importing_the_data_sets_loads_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, eval.data; print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
