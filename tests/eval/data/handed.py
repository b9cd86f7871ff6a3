"""Pictures and labels as people hand them over, for the tests of what becomes of them."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

N = 10
LEVELS = torch.randint(0, 256, (N, 3, 6, 5), generator=torch.Generator().manual_seed(0)).byte()
X = LEVELS / 255
Y = torch.arange(N) % 3


class Listed(Dataset[Any]):
    """Items of a list, or what a function makes of each."""

    def __init__(self, make: Callable[[int], Any], n: int = N) -> None:
        self.make, self.n = make, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i >= self.n:
            raise IndexError(i)
        return self.make(i)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return iter([(X[i], int(Y[i])) for i in range(N)])


def items(*, x: Callable[[int], Any] = X.__getitem__, y: Callable[[int], Any] = Y.__getitem__):
    return Listed(lambda i: (x(i), y(i)))


def loaded(data: Dataset[Any], **options: Any) -> DataLoader[Any]:
    return DataLoader(data, **{"batch_size": 4, **options})
