"""An image set is a sequence of (x, y), and what other libraries take."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from eval import attack, open_data
from eval.data import ImageSet, as_images, from_tensors
from eval.data.positions import PositionError
from eval.errors import DataError, UsageError

N = 40
X = torch.rand(N, 1, 4, 4)
Y = torch.arange(N) % 3
IMAGES = from_tensors(X, Y, ids=[f"i{k}" for k in range(N)])


@pytest.mark.parametrize("i", [0, 7, N - 1, -1, -N, np.int64(3), torch.tensor(5)], ids=repr)
def test_a_position_gives_one_image_and_its_label(i: Any) -> None:
    x, y = IMAGES[i]
    assert torch.equal(x, X[int(i)])
    assert x.dtype == torch.float32
    assert (type(y), y) == (int, int(Y[int(i)]))


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (slice(3), [0, 1, 2]),
        (slice(None, None, -20), [39, 19]),
        (slice(-2, None), [38, 39]),
        ([3, 1, -1], [3, 1, 39]),
        ((0, 2), [0, 2]),
        (np.array([5, 2]), [5, 2]),
        (torch.tensor([5, 2]), [5, 2]),
        (range(2, 4), [2, 3]),
        (np.arange(N) < 2, [0, 1]),
        (torch.arange(N) < 2, [0, 1]),
        ([True] + [False] * (N - 1), [0]),
    ],
    ids=repr,
)
def test_several_positions_give_a_selection(key: Any, wanted: list[int]) -> None:
    found = IMAGES[key]
    assert isinstance(found, ImageSet)
    assert found.ids == tuple(f"i{k}" for k in wanted)
    assert torch.equal(found.tensors()[0], X[wanted])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("i3", r"positions 0 to 39, and 'i3' is none: use select_ids for ids"),
        (["i3", "i4"], "use select_ids for ids"),
        (1.0, "1.0 is none"),
        (None, "None is none"),
        ([[0, 1]], "is none"),
        ([0, 0], "the same position twice"),
        ([0, -N], "the same position twice"),
        (slice(5, 5), "must hold at least one image"),
        ([], "must hold at least one image"),
        (np.zeros(3, bool), "is none"),
    ],
    ids=repr,
)
def test_what_is_no_position_is_refused(key: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        IMAGES[key]


@pytest.mark.parametrize("key", [N, -N - 1, [0, N]])
def test_a_position_outside_ends_the_sequence(key: Any) -> None:
    with pytest.raises(PositionError, match=r"is outside custom .all., which has pos"):
        IMAGES[key]
    with pytest.raises(IndexError):
        IMAGES[key]


def test_it_is_walked_over_in_order() -> None:
    seen = list(IMAGES)
    assert torch.equal(torch.stack([x for x, _ in seen]), X)
    assert [y for _, y in seen] == Y.tolist()
    assert len(list(IMAGES)) == N


@pytest.mark.parametrize("n_decoders", [0, 1])
def test_a_loader_reads_it_in_batches(n_decoders: int) -> None:
    batches = list(DataLoader(IMAGES, batch_size=16, num_workers=n_decoders))
    assert torch.equal(torch.cat([x for x, _ in batches]), X)
    assert torch.equal(torch.cat([y for _, y in batches]), Y)
    assert as_images(Subset(IMAGES, [4, 2])).tensors()[1].tolist() == Y[[4, 2]].tolist()


def test_tensors_are_what_other_libraries_take() -> None:
    x, y = IMAGES.tensors(5)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert torch.equal(x, X[:5])
    assert torch.equal(y, Y[:5])
    assert x.is_contiguous()
    x.fill_(0)  # as attacks do; the set stays as it is
    assert torch.equal(IMAGES.tensors(1)[0], X[:1])
    with pytest.raises(UsageError, match="n = 41 is not possible"):
        IMAGES.tensors(41)


def test_more_tensors_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.engine.batching.free_bytes", lambda _: 1000)
    with pytest.raises(DataError, match=r"GB are free: take fewer, or a batch at a time"):
        IMAGES.tensors()
    assert len(IMAGES.tensors(10)[1]) == 10


def test_a_data_set_by_name_is_one_too(tiny_net: torch.nn.Module) -> None:
    digits = open_data("digits")
    x, y = digits[0]
    assert x.shape == (1, 8, 8)
    assert y == digits.labels[0]
    assert len(digits[:100]) == 100
    assert digits[:100].official_subset
    assert not digits[1:100].official_subset


def test_an_attack_takes_it_whole(tiny_net: torch.nn.Module, tiny_data: ImageSet) -> None:
    some = tiny_data[:6]
    whole = attack(tiny_net, some, name="pgd-3", eps="1/20")
    parts = attack(tiny_net, *some.tensors(), "pgd-3", eps="1/20")
    assert torch.equal(whole.x_adv, parts.x_adv)
    with pytest.raises(UsageError, match="y 'pgd-3' is a text: name the attack by name="):
        attack(tiny_net, some, "pgd-3")
