"""In which order a DataLoader gives its pictures, and how many it leaves out."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from eval.errors import UsageError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

_MOST_LISTED = 1_000_000


def check_order(loader: DataLoader[Any], argument: str) -> None:
    """Raises UsageError for a DataLoader whose order is drawn by chance, or is a share of one.

    A sampler of the caller's own is asked twice, and must give the same positions, each once.
    """
    from torch.utils import data
    from torch.utils.data.distributed import DistributedSampler

    samplers = [loader.sampler, getattr(loader.batch_sampler, "sampler", None)]
    chance = data.RandomSampler | data.SubsetRandomSampler | data.WeightedRandomSampler
    for sampler in samplers:
        if isinstance(sampler, chance):
            raise UsageError(
                f"`{argument}` is shuffled ({type(sampler).__name__}), so that an image's id would"
                " mean another picture each time: make the DataLoader with shuffle=False"
            )
        if isinstance(sampler, DistributedSampler):
            raise UsageError(
                f"`{argument}` gives each process a share of its own (DistributedSampler): make a"
                " DataLoader without it"
            )
    if isinstance(loader.dataset, data.IterableDataset):
        if loader.num_workers > 1:
            raise UsageError(
                f"`{argument}` reads an IterableDataset in {loader.num_workers} processes, each of"
                " which may give all pictures once more: make the DataLoader with num_workers=0"
            )
        return
    order: Any = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    inner = order.sampler if type(order) is data.BatchSampler else order
    if isinstance(inner, data.SequentialSampler):
        return
    first, second = (_listed(order) for _ in range(2))
    if first != second:
        raise UsageError(
            f"`{argument}` has another order each time ({type(order).__name__}), so that an image's"
            " id would mean another picture: make the DataLoader with shuffle=False"
        )
    if len(set(first)) < len(first):
        raise UsageError(
            f"`{argument}` gives a picture twice ({type(loader.sampler).__name__}), which would"
            " count it twice: use a sampler that gives each once"
        )


def n_images(loader: DataLoader[Any]) -> int | None:
    """How many images it has, with those that `drop_last` leaves out; None if nobody knows."""
    from torch.utils import data

    batches: Any = loader.batch_sampler
    whole: Any = getattr(batches, "sampler", loader.sampler)
    if isinstance(loader.dataset, data.IterableDataset):
        whole = loader.dataset
    elif batches is not None and type(batches) is not data.BatchSampler:
        return None
    try:
        return len(whole)
    except TypeError:
        return None


def n_lost(loader: DataLoader[Any], length: int | None, n: int | None) -> str:
    """What `drop_last` leaves out of the first `n` of `length` pictures, in words, or ""."""
    batches: Any = loader.batch_sampler
    is_dropping = loader.drop_last or getattr(batches, "drop_last", False)
    size = loader.batch_size or getattr(batches, "batch_size", None)
    if not is_dropping or not size:
        return ""
    if length is None:
        return "" if n is not None else "the last images"
    lost = length % size
    if n is not None and n <= length - lost:
        return ""
    return f"{lost} of {length} images" if lost else ""


def _listed(order: Any) -> list[Any]:
    listed: list[Any] = []
    for one in islice(iter(order), _MOST_LISTED):
        listed += one if isinstance(one, list | tuple) else [one]
    return listed
