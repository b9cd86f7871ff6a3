"""Whatever torch was told of products of float32, verdicts and searches keep all their bits."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.data import ImageSet
from eval.engine.net import Net
from eval.ieee import _tell, ieee_fp32, settings
from eval.verify import predict

REDUCED = {"tf32", "bf16", "high", "medium", True}
HAS_FINER = len(settings()) > 2


def of_the_matrix_product() -> None:
    torch.set_float32_matmul_precision("medium")


def of_everything() -> None:
    torch.backends.fp32_precision = "tf32"  # type: ignore[attr-defined]


def of_one_operation() -> None:
    """The older switch for all of cuDNN is at odds with itself then, and refuses to be read."""
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    torch.backends.mkldnn.conv.fp32_precision = "bf16"  # type: ignore[attr-defined]


def by_default() -> None:
    """TF32 in convolutions on a GPU."""
    torch.backends.cudnn.allow_tf32 = True


TELL = [by_default, of_the_matrix_product, *[of_everything, of_one_operation][: 2 * HAS_FINER]]


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """What one test tells torch is not what the next one finds."""
    before = settings()
    yield
    if HAS_FINER:
        torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]
    _tell(before)
    assert settings() == before


class Watched(nn.Module):
    """Remembers what torch was told whenever it was asked."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.found: list[dict[str, Any]] = []
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        self.found.append(settings())
        if logits.requires_grad:
            logits.register_hook(lambda _: self.found.append(settings()))
        return logits


def reduced(told: dict[str, Any]) -> set[str]:
    return {name for name, value in told.items() if value in REDUCED}


@pytest.mark.parametrize("tell", TELL)
@pytest.mark.parametrize("attack", ["clean", "pgd-3"])
def test_an_evaluation_computes_in_fp32_and_puts_back_what_torch_was_told(
    tiny_net: nn.Module, tiny_data: ImageSet, tell: Callable[[], None], attack: str
) -> None:
    tell()
    told = settings()
    assert reduced(told), "the test tells torch nothing"
    watched = Watched(tiny_net)

    evaluate(watched, tiny_data, attack=attack, eps="1/60", engine="reference")

    assert watched.found
    assert not [one for one in watched.found if reduced(one)]
    assert settings() == told


@pytest.mark.parametrize("tell", TELL)
def test_each_pass_by_itself_does(tiny_net: nn.Module, tell: Callable[[], None]) -> None:
    """So that whoever asks one door alone cannot come to other verdicts."""
    tell()
    told, watched, x = settings(), Watched(tiny_net), torch.rand(2, 3, 8, 8)
    net = Net(watched)

    predict(watched, x)
    net.logits(x)
    net.gradient(x, lambda logits: logits.sum(1))

    assert len(watched.found) == 4  # the backward is one
    assert not [one for one in watched.found if reduced(one)]
    assert settings() == told


@pytest.mark.parametrize("tell", TELL)
def test_blocks_in_one_another_and_in_threads(tell: Callable[[], None]) -> None:
    """They end in another order than they began, as contenders in a bench do."""
    tell()
    told, seen = settings(), list[set[str]]()
    is_in, go_on = threading.Event(), threading.Event()

    def other() -> None:
        with ieee_fp32():
            is_in.set()
            go_on.wait(10)
            seen.append(reduced(settings()))

    thread = threading.Thread(target=other)
    with ieee_fp32(), ieee_fp32():
        thread.start()
        assert is_in.wait(10)
    go_on.set()
    thread.join()

    assert seen == [set()]
    assert settings() == told


@pytest.mark.parametrize("tell", TELL)
def test_what_torch_was_told_comes_back_after_an_error(tell: Callable[[], None]) -> None:
    tell()
    told = settings()
    with pytest.raises(ZeroDivisionError), ieee_fp32():
        1 / 0  # noqa: B018
    assert settings() == told


def test_where_nothing_is_reduced_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.backends.cudnn.allow_tf32 = False
    monkeypatch.setattr(torch, "set_float32_matmul_precision", pytest.fail)
    with ieee_fp32():
        assert not reduced(settings())
