"""A Dataset or DataLoader is read once, in an order that stays, as far as memory goes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils import data as torch_data
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from eval.data import as_images, kept, loaders
from eval.errors import SatZooError, UsageError
from tests.eval.data.handed import N, Stream, X, Y, items, loaded


def flip(i: int) -> Tensor:
    return X[i].flip(-1) if torch.rand(()) < 0.5 else X[i]


class Once(IterableDataset[Any]):
    def __init__(self) -> None:
        self.left = iter([(X[i], int(Y[i])) for i in range(N)])

    def __iter__(self) -> Iterator[Any]:
        return self.left


class Longer(Stream):
    def __len__(self) -> int:
        return N + 2


class Shorter(Stream):
    def __len__(self) -> int:
        return N - 2


def doubled(items: list[Any]) -> Any:
    return torch_data.default_collate([*items, *items])


class OneBuffer(Dataset[Any]):
    """Gives out the same tensor each time, of which a batch holds the last picture alone."""

    def __init__(self) -> None:
        self.buffer = torch.empty_like(X[0])

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        self.buffer.copy_(X[i])
        return self.buffer, Y[i]


class Shuffling:
    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(N).tolist())

    def __len__(self) -> int:
        return N


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "pictures of Pillow": (
        lambda: loaded(items(x=lambda _: Image.new("RGB", (5, 6)))),
        "`data` holds pictures of Pillow: make tensors of them",
    ),
    "shuffled": (lambda: loaded(TensorDataset(X, Y), shuffle=True), "is shuffled .RandomSampler"),
    "a random subset": (
        lambda: loaded(TensorDataset(X, Y), sampler=torch_data.SubsetRandomSampler(range(N))),
        "shuffle=False",
    ),
    "weighted": (
        lambda: loaded(TensorDataset(X, Y), sampler=torch_data.WeightedRandomSampler([1.0] * N, N)),
        "is shuffled",
    ),
    "random batches": (
        lambda: DataLoader(
            TensorDataset(X, Y),
            batch_sampler=torch_data.BatchSampler(
                torch_data.RandomSampler(range(N)), 4, drop_last=False
            ),
        ),
        "is shuffled",
    ),
    "an order of its own": (
        lambda: loaded(TensorDataset(X, Y), sampler=Shuffling()),
        "another order each time .BatchSampler",
    ),
    "more than it says": (Shorter, "`data` gives more than the 8 images that it says it has"),
    "more than it says, in batches": (
        lambda: DataLoader(Shorter(), batch_size=4),
        "`data` gives more than the 8 images",
    ),
    "one buffer": (
        lambda: loaded(OneBuffer()),
        "holds one picture 4 times, under several labels",
    ),
    "one buffer, item by item": (OneBuffer, "is another one when it is read again"),
    "added by collate_fn": (
        lambda: loaded(TensorDataset(X, Y), collate_fn=doubled),
        "or a collate_fn that adds some",
    ),
    "a picture twice": (
        lambda: loaded(TensorDataset(X, Y), sampler=[0, 1, 1]),
        "gives a picture twice",
    ),
    "dropped": (
        lambda: loaded(TensorDataset(X, Y), drop_last=True),
        "leaves out 2 of 10 images because of drop_last=True",
    ),
    "a stream dropped": (
        lambda: loaded(Stream(), drop_last=True),
        "leaves out the last images",
    ),
    "a stream in processes": (lambda: loaded(Stream(), num_workers=2), "may give all pictures"),
    "augmented": (lambda: items(x=flip), "is another one when it is read again.*augmentation"),
    "augmented batches": (lambda: loaded(items(x=flip)), "is another one when it is read again"),
    "other labels": (
        lambda: items(y=lambda _: int(torch.randint(5, ()))),
        "is another one when it is read again",
    ),
    "a stream that runs out": (Once, "is another one when it is read again"),
    "a length that is none": (Longer, "says that it has 12 images and gave 10"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_order_or_pictures_that_change_are_refused(kind: str) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(SatZooError, match=message) as raised:
        as_images(make())
    assert "\n" not in str(raised.value)


def test_what_drop_last_leaves_out_does_not_matter_if_it_is_not_wanted() -> None:
    assert len(as_images(loaded(TensorDataset(X, Y), drop_last=True), n=8)) == 8
    with pytest.raises(UsageError, match="leaves out 2 of 10"):
        as_images(loaded(TensorDataset(X, Y), drop_last=True), n=9)


def test_more_than_memory_holds_is_refused_before_it_is_read(monkeypatch) -> None:
    monkeypatch.setattr(kept, "_limit", lambda: 3 * 6 * 5 * 7)
    seen = []
    data = items(x=lambda i: seen.append(i) or X[i])
    monkeypatch.setattr(loaders, "CHUNK", 2)
    with pytest.raises(SatZooError, match=r"hold about 7 of 10: give a smaller `n`, or read them"):
        as_images(data)
    assert len(seen) == 2
    assert len(as_images(data, n=7)) == 7


def test_a_stream_without_an_end_is_refused_when_memory_is_full(monkeypatch) -> None:
    class Endless(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            while True:
                yield X[0], 0

    monkeypatch.setattr(kept, "_limit", lambda: 100_000)
    with pytest.raises(SatZooError, match="are read into memory"):
        as_images(Endless())
    assert len(as_images(Endless(), n=5)) == 5
