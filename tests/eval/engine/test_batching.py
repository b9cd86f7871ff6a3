from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from eval import evaluate
from eval.attacks.pgd import PGD, PGDSearch
from eval.begin import begun
from eval.data import ImageSet, from_tensors
from eval.engine import batching
from eval.engine.batching import auto_batch_size, fitting_batch_size, free_bytes, is_out_of_memory
from eval.engine.engine import Precision
from eval.engine.net import Net
from eval.errors import ModelError
from eval.executors.base import Event, Job
from eval.executors.pool import Pool
from eval.protocols import Protocol, protocol
from eval.request import Request
from eval.threat import Threat

CPU = torch.device("cpu")
QUICK = {"attack": "pgd-5", "eps": "1/20", "last_iterate": True}
MESSAGE = "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"


class Small(nn.Module):
    """A model on a device that holds at most `limit` images, or fails at call number `fails_at`."""

    def __init__(self, net: nn.Module, limit: int = 10**9, fails_at: int = 0) -> None:
        super().__init__()
        self.net = net
        self.limit = limit
        self.fails_at = fails_at
        self.calls = [0]

    def forward(self, x: Tensor) -> Tensor:
        self.calls[0] += 1
        if len(x) > self.limit or self.calls[0] == self.fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.")
        logits: Tensor = self.net(x)
        return logits

    def __deepcopy__(self, memo: object) -> nn.Module:
        raise RuntimeError("no copy: it would know no limit")


class ForgetfulPool(Pool):
    """A pool that tries the whole batch again in each stage."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        self._fits = None
        return super().run(jobs)


def test_out_of_memory_halves_the_batch_and_changes_no_verdict(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    undisturbed = evaluate(tiny_net, tiny_data, **QUICK)
    with pytest.warns(RuntimeWarning, match="out of memory in the clean pass: going on with .* 8"):
        disturbed = evaluate(Small(tiny_net, limit=10).eval(), tiny_data, **QUICK, batch_size=64)
    assert disturbed.images == undisturbed.images
    assert disturbed.survive_8bit == undisturbed.survive_8bit
    assert disturbed.stages[0].last_iterate_accuracy == undisturbed.stages[0].last_iterate_accuracy
    assert {flag.code for flag in disturbed.flags} == {"engine-fallback"}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_stage_of_autoattack_survives_a_lack_of_memory(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    whole = reversed(protocol("autoattack").stages)  # FAB before APGD, to break some
    few = [stage.model_copy(update={"steps": 4}) for stage in whole]
    short = Protocol(name="short", stages=tuple(few))

    def verdicts() -> list[str]:
        request = Request(
            data=tiny_data.take(40),
            threat=Threat("Linf", "1/40"),
            protocol=short,
            precision=precision,
            batch_size=40,
        )
        with begun(tiny_net, request, executor=ForgetfulPool) as run:
            run.attack()
            return list(run.verdicts)

    undisturbed = verdicts()
    one_pass = Net._forward

    def small_device(net: Net, x: Tensor) -> Tensor:
        if len(x) > 9 and len(x) != 16:  # the proof of the fast copy may pass
            raise RuntimeError(MESSAGE)
        return one_pass(net, x)

    monkeypatch.setattr(Net, "_forward", small_device)
    monkeypatch.setattr("eval.executors.crew.model_flags", lambda *_, **__: [])
    with pytest.warns(RuntimeWarning, match="out of memory in apgd-ce"):
        disturbed = verdicts()
    assert disturbed == undisturbed
    assert len(set(undisturbed)) == 3  # some wrong, some broken, some that stand


@settings(max_examples=6)
@given(fails_at=st.integers(25, 32))
def test_memory_that_runs_out_at_any_pass_of_the_search_changes_no_verdict(
    tiny_net: nn.Module, tiny_data: ImageSet, fails_at: int
) -> None:
    undisturbed = evaluate(tiny_net, tiny_data, **QUICK)
    model = Small(tiny_net, fails_at=fails_at).eval()
    with pytest.warns(RuntimeWarning, match="out of memory in pgd-5: going on with batches of 22"):
        disturbed = evaluate(model, tiny_data, **QUICK, batch_size=128)
    assert model.calls[0] > fails_at
    assert disturbed.images == undisturbed.images
    assert disturbed.stages[0].last_iterate_accuracy == undisturbed.stages[0].last_iterate_accuracy


def test_a_polish_that_runs_out_of_memory_starts_over(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    polish = PGD.resume

    def resume(self: PGD, net: Net, search: PGDSearch, n_steps: int) -> None:
        if len(search) > 5:
            raise RuntimeError(MESSAGE)
        polish(self, net, search, n_steps)

    options = {"attack": "pgd-5", "eps": "1/60", "precision": "bf16", "last_iterate": True}
    undisturbed = evaluate(tiny_net, tiny_data, **options)
    assert undisturbed.engine.precision == "bf16"
    assert undisturbed.robust.correct > 5
    monkeypatch.setattr(PGD, "resume", resume)
    with pytest.warns(RuntimeWarning, match="out of memory in pgd-5: going on with batches of 3"):
        disturbed = evaluate(tiny_net, tiny_data, **options)
    assert disturbed.images == undisturbed.images
    assert disturbed.stages[0].last_iterate_accuracy == undisturbed.stages[0].last_iterate_accuracy


def test_not_even_one_image_is_an_error_in_one_sentence(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    message = r"not even one image fits into memory in the first pass \(CUDA out of memory"
    with pytest.raises(ModelError, match=f"{message}.*end other programs, or use another `device`"):
        evaluate(Small(tiny_net, limit=0).eval(), tiny_data, **QUICK)


def test_other_errors_are_not_taken_for_a_lack_of_memory(tiny_data: ImageSet) -> None:
    with pytest.raises(ModelError, match="shapes cannot be multiplied"):
        evaluate(nn.Sequential(nn.Flatten(), nn.Linear(7, 5)).eval(), tiny_data, **QUICK)


def test_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDNN_STATUS_ALLOC_FAILED"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_batch_is_the_largest_power_of_two_that_fits(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_free(n_bytes: int) -> int:
        monkeypatch.setattr(batching, "free_bytes", lambda _: n_bytes)
        return auto_batch_size(tiny_net, tiny_data, CPU)

    assert with_free(10**12) == 128  # a CPU needs no more
    assert with_free(0) == 1
    sizes = [with_free(2**k) for k in range(16, 26)]
    assert sizes == sorted(sizes)
    assert 1 < len(set(sizes)) < 10
    assert all(size & (size - 1) == 0 for size in sizes)
    # Twice the memory, twice the batch: in between the batch is bounded by memory alone.
    assert sizes[sizes.index(32) + 1] == 64


def test_large_pictures_come_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "free_bytes", lambda _: 10**12)
    images = from_tensors(torch.rand(1, 1, 224, 224), torch.tensor([0]))
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3)).eval()
    assert auto_batch_size(pooled, images, CPU) == 32


def test_a_model_without_gradient_gets_a_small_batch(tiny_data: ImageSet) -> None:
    class Steps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :5].detach()

    assert auto_batch_size(Steps().eval(), tiny_data, CPU) == 32


def test_free_memory_is_what_the_machine_and_its_container_leave(tmp_path: Path) -> None:
    assert 2**20 < free_bytes(CPU) < 2**50
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:  1000 kB\n")
    assert batching._meminfo(meminfo) == 1000 * 1024
    assert batching._meminfo(tmp_path / "none") is None
    assert batching._control_group(tmp_path) is None
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert batching._control_group(tmp_path) == 700
    (tmp_path / "memory.max").write_text("max\n")
    assert batching._control_group(tmp_path) is None


def test_without_proc_half_of_the_memory_is_taken_for_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "_meminfo", lambda _: None)
    monkeypatch.setattr(batching, "_control_group", lambda _: None)
    monkeypatch.setattr(batching, "_physical", lambda: 4000)
    assert free_bytes(CPU) == 2000


def test_the_reference_engine_takes_the_same_batch_everywhere(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    assert fitting_batch_size(tiny_net, tiny_data, "reference", CPU) == 128
    free = auto_batch_size(tiny_net, tiny_data, CPU)
    assert fitting_batch_size(tiny_net, tiny_data, "fast", CPU) == free
