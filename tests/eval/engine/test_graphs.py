"""Whole searches at fixed sizes, and what is asked of torch where there is a GPU."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate, protocol, protocols
from eval.data import ImageSet
from eval.engine import engine as engines
from eval.engine.graphs import Road, cuda_graphs
from eval.engine.net import Net
from eval.engine.sending import sent
from eval.executors.stage_search import CUDA_STRIDE, StageSearch
from tests.eval.engine.recording import recorded

Build = Callable[..., engines.Engine]


def raises(road: Road, x: Tensor) -> Road:
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("attack", ["pgd-10", "fgsm"])
def test_verdicts_are_the_same_with_fixed_sizes(
    tiny_net: nn.Module,
    tiny_data: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    attack: str,
    precision: engines.Precision,
) -> None:
    options = {"attack": attack, "eps": "1/60", "precision": precision, "batch_size": 24}
    plain = evaluate(tiny_net, tiny_data, **options)
    sizes = set[int]()

    def watched(road: Road, x: Tensor) -> Road:
        sizes.add(len(x))
        return recorded(road, x)

    build = engines.build_engine
    monkeypatch.setattr(
        "eval.executors.crew.build_engine", lambda *given: build(*given, make=watched), raising=True
    )
    fixed = evaluate(tiny_net, tiny_data, **options)
    assert fixed.images.verdicts == plain.images.verdicts
    assert 24 in sizes
    assert [f.code for f in fixed.flags] == [f.code for f in plain.flags]


def test_a_graph_that_is_not_used_is_flagged(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = engines.build_engine
    monkeypatch.setattr(
        "eval.executors.crew.build_engine", lambda *given: build(*given, make=raises)
    )
    report = evaluate(tiny_net, tiny_data, attack="pgd-5", eps="1/60", precision="fp32")
    (flag,) = [flag for flag in report.flags if flag.code.startswith("engine")]
    assert flag.code == "engine-fallback"
    assert "as a CUDA graph fails (operation not permitted" in flag.detail


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("attack", ["pgd-25", "autoattack"])
def test_verdicts_are_the_same_with_looks_as_rare_as_on_a_gpu(
    tiny_net: nn.Module,
    tiny_data: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    attack: str,
    precision: engines.Precision,
) -> None:
    options = {"attack": attack, "eps": "1/60", "precision": precision, "batch_size": 24}
    short = [s.model_copy(update={"steps": 12}) for s in protocol("autoattack").stages]
    monkeypatch.setitem(protocols._AUTOATTACK, "autoattack-standard@1", tuple(short))
    often = evaluate(tiny_net, tiny_data, **options)

    def stride(self: StageSearch, search: Any) -> int:
        return max(1, min(CUDA_STRIDE, int(self.attack.n_steps - search.k.max())))

    monkeypatch.setattr(StageSearch, "_stride", stride)
    rarely = evaluate(tiny_net, tiny_data, **options)
    assert rarely.images.verdicts == often.images.verdicts


def test_torch_is_asked_for_graphs_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def make(road: Road, sample: tuple[Tensor], *, pool: object) -> Road:
        (x,) = sample
        assert not torch.is_autocast_enabled("cpu")
        assert torch.is_grad_enabled()
        assert x.requires_grad
        assert x.is_leaf
        # Only frozen networks, and no module whose forward would be exchanged.
        assert not isinstance(road, nn.Module)
        asked.append((pool, x.is_contiguous(memory_format=torch.channels_last)))
        return recorded(road, x)

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make)
    x = torch.rand(16, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()).eval()
    engine = engines.build_engine(model, x, "bf16", make=cuda_graphs())
    engine.search.logits(x)
    assert engine.graph_fault == ""
    assert engine.precision == "bf16"
    assert set(asked) == {("pool", True)}


def test_autocast_keeps_no_weights_between_replays() -> None:
    seen: list[bool] = []

    def model(x: Tensor) -> Tensor:
        seen.append(torch.is_autocast_cache_enabled())
        return x.flatten(1)

    Net(model, is_bf16=True).logits(torch.rand(2, 1, 2, 2))
    assert seen == [False]


def test_images_for_a_gpu_are_pinned_and_not_waited_for() -> None:
    class Watched:
        def __init__(self) -> None:
            self.calls: list[object] = []

        def pin_memory(self) -> "Watched":
            self.calls.append("pinned")
            return self

        def to(self, place: torch.device, non_blocking: bool = False) -> "Watched":
            self.calls.append((place.type, non_blocking))
            return self

    on_gpu, on_cpu = Watched(), Watched()
    sent(on_gpu, torch.device("cuda"))
    sent(on_cpu, torch.device("cpu"))
    assert on_gpu.calls == ["pinned", ("cuda", True)]
    assert on_cpu.calls == [("cpu", False)]
