import mmap
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from eval import processor
from eval.begin import begun
from eval.bench import clock as clock_module
from eval.bench import machine
from eval.bench.clock import Clock
from eval.bench.compare import Course, compare
from eval.bench.contenders import Ours, Setup
from eval.bench.others import AuthorsAutoAttack, Others
from eval.data import Batch, ImageSet
from eval.engine.net import Net
from eval.request import Request
from eval.stage import Stage
from tests.eval.bench.conftest import CPU, cut


def test_each_stage_is_begun_by_another_contender(setup: Setup) -> None:
    said: list[str] = []
    small = replace(setup, data=setup.data.take(4), protocol=cut("autoattack-rand", 1))
    makes = [AuthorsAutoAttack, lambda setup: Ours(setup, "fp32")]
    compare(makes, small, repeats=2, say=said.append)
    turns = [text.split(", ")[1].split(" s")[0].split(" ")[:2] for text in said]
    starters = [name for _, name in turns[::2]]
    assert starters == ["pyautoattack", "ours", "pyautoattack", "ours", "pyautoattack", "ours"]
    assert len(said) == 2 * 3 * 2


def test_the_package_breaks_the_same_images_as_through_our_reference_engine(setup: Setup) -> None:
    request = Request(
        data=setup.data,
        threat=setup.threat,
        protocol=setup.protocol,
        engine="reference",
        batch_size=8,
    )
    package = AuthorsAutoAttack(setup)
    package.clean()
    trace = sys.gettrace()
    with begun(setup.model, request) as run:
        for stage in setup.protocol.stages:
            run.carry_out([run.job_of(stage)])
            package.attack(stage)
            package.settle()
            assert package.still_robust.tolist() == [v in {"robust", "open"} for v in run.verdicts]
    assert sys.gettrace() is trace
    assert package.passes()[0] > 0


def test_claims_outside_the_ball_are_refused_and_counted(setup: Setup) -> None:
    class Liar(Others):
        def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
            return 1 - self._x[rows]

    liar = Liar(setup, "liar", "pyautoattack")
    liar.clean()
    n_right = int(liar.still_robust.sum())
    liar.attack(setup.protocol.stages[0])
    liar.settle()
    assert int(liar.still_robust.sum()) == n_right == 12
    assert liar.n_rejected > 0


def test_the_clock_knows_what_time_was_spent_on(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, read = [0.0], ImageSet.batch

    def slow(net: Net, x: Tensor) -> Tensor:
        now[0] += 5
        return x

    def slowly_read(data: ImageSet, positions: Sequence[int]) -> Batch:
        now[0] += 2
        return read(data, positions)

    monkeypatch.setattr(clock_module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(Net, "logits", slow)
    monkeypatch.setattr(ImageSet, "batch", slowly_read)
    clock, net = Clock(CPU), Net(tiny_net)
    with clock.watching():
        batch = tiny_data.batch([0])
        net.logits(batch.x)
    net.logits(batch.x)
    assert Net.logits is slow
    assert clock.seconds() == {"network": 5, "verification": 0, "io": 2}


def test_memory_is_measured_from_the_restart_on() -> None:
    memory = machine.MemoryPeak(CPU)
    memory.restart()
    before = memory.read()
    if before is None:
        pytest.skip("this system does not tell the memory of a process")
    with mmap.mmap(-1, 25_000 * mmap.PAGESIZE) as held:  # which no allocator keeps when it is freed
        held[:: mmap.PAGESIZE] = b"1" * 25_000
    after = memory.read()
    assert after is not None
    assert after - before > 50_000_000
    memory.restart()
    end = memory.read()
    assert end is not None
    assert end < after


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert machine.commit(tmp_path) == "unknown"
    assert processor.processor(CPU)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (
            ["model name\t: AMD EPYC", "cpu family\t: 25", "model\t\t: 1", "stepping\t: 1"],
            "AMD EPYC (cpu family 25, model 1, stepping 1)",
        ),
        (
            ["cpu family\t: 6", "model\t\t: 143", "model name\t: Intel(R) Xeon(R) Processor"],
            "Intel(R) Xeon(R) Processor (cpu family 6, model 143)",
        ),
        (["cpu family\t: 25", "model name\t: AMD EPYC 7763"], "AMD EPYC 7763"),
        (["model name\t: First 1", "", "model name\t: Second 2"], "First 1"),
        (["model name\t: Nameless", "flags\t\t: a:b"], "Nameless"),
    ],
)
def test_a_name_that_says_little_is_followed_by_the_numbers_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: list[str], name: str
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    processor.CPUINFO.write_text("\n".join(lines))
    assert processor.processor(CPU) == name


@pytest.mark.parametrize(
    ("rates", "tried"),
    [
        ({512: 100.0, 1024: 90.0, 2048: 120.0}, [512, 1024, 2048]),
        ({512: 1.0, 1024: 1.1, 2048: 1.2}, [512]),  # 2 s for the next one
        ({512: 20.0, 1024: 30.0, 2048: 40.0}, [512, 1024]),  # 0.6 s
    ],
)
def test_a_matrix_product_that_takes_long_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, rates: dict[int, float], tried: list[int]
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(machine, "_rate", lambda _, __, n: seen.append(n) or rates[n])
    peak = machine.matmul_peak(CPU, torch.bfloat16)
    assert seen == tried
    assert peak == max(rates[n] for n in tried)


def test_a_cpu_has_instruction_sets_and_a_gpu_none() -> None:
    assert processor.instructions(CPU) == torch.backends.cpu.get_cpu_capability()
    assert processor.instructions(torch.device("cuda")) is None


def test_a_course_says_how_its_stage_went(setup: Setup) -> None:
    course, ours = Course("ours"), Ours(setup, "fp32")
    text = course.take(ours, None, machine.MemoryPeak(CPU), CPU)
    ours.close()
    assert text.startswith("clean: ours 0.")
    assert text.endswith(" s, 12 stand")
