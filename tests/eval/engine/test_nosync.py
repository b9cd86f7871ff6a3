"""The watch itself: it lets through what a GPU does alone, and nothing that the host waits for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.nosync import Waits, no_waiting

X = torch.arange(12.0).view(3, 4)
MASK = torch.tensor([True, False, True])


def store(x: Tensor, index: Tensor, value: Tensor | float) -> None:
    x[index] = value


def gradient_of_squares(x: Tensor) -> Tensor:
    return torch.autograd.grad((x**2).sum(), x)[0]


WAITING: dict[str, Callable[[], object]] = {
    "a number": lambda: float(X.sum()),
    "an item": X[0, 0].item,
    "a truth": lambda: bool(MASK.any()),
    "a branch": lambda: 1 if MASK[0] else 2,
    "equality": lambda: torch.equal(X, X),
    "nearness": lambda: torch.allclose(X, X),
    "rows of a mask": MASK.nonzero,
    "where alone": lambda: torch.where(MASK),
    "selection": lambda: X.masked_select(X > 3),
    "indexing by a mask": lambda: X[MASK],
    "indexing by a mask at the end": lambda: X[:, X[0] > 1],
    "storing by a mask": lambda: store(X.clone(), MASK, X[:2]),
    "an index that is a tensor": lambda: X[torch.ones((), dtype=torch.int64)],
    "unique": X.unique,
    "repeats": lambda: X.repeat_interleave(X[:, 0].long(), dim=0),
    "a list": X.tolist,
    "an array": X.numpy,
    "a copy to the host": X.cpu,
    "a move to the host": lambda: X.to("cpu"),
    "a tensor of a list": lambda: torch.tensor([1.0, 2.0]),
}


@pytest.mark.parametrize("work", WAITING.values(), ids=WAITING)
def test_what_makes_the_host_wait_is_refused(work: Callable[[], object]) -> None:
    work()
    with no_waiting(), pytest.raises(Waits):
        work()


def test_what_a_gradient_asks_for_is_refused_too() -> None:
    class Peeks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return grad if float(grad.sum()) else -grad

    x = X.clone().requires_grad_()
    with no_waiting(), pytest.raises(Waits):
        torch.autograd.grad(Peeks.apply(x).sum(), x)


WORKING: dict[str, Callable[[], object]] = {
    "arithmetic": lambda: (X * 2 + 1).clamp(0, 1).sum(1),
    "choice": lambda: torch.where(MASK[:, None], X, -X),
    "one value by a mask": lambda: store(X.clone(), MASK, 0.0),
    "indexing by rows": lambda: X[torch.arange(2)],
    "storing by rows": lambda: store(X.clone(), torch.arange(2), X[1:]),
    "gathering": lambda: X.gather(1, X.argmax(1, keepdim=True)),
    "order": lambda: X.sort(1),
    "new tensors": lambda: torch.full((3,), 2.0),
    "a gradient": lambda: gradient_of_squares(X.clone().requires_grad_()),
}


@pytest.mark.parametrize("work", WORKING.values(), ids=WORKING)
def test_what_a_device_does_alone_passes(work: Callable[[], object]) -> None:
    with no_waiting():
        work()


def test_inside_tensors_say_that_they_are_on_a_gpu() -> None:
    with no_waiting():
        assert X.is_cuda
    assert not X.is_cuda
