import time
from types import SimpleNamespace

import pytest
import torch

from eval.engine import engine
from zoo.doctor import devices, throughput
from zoo.doctor.throughput import best_rate


@pytest.fixture(autouse=True)
def _cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_the_cpu_is_described_and_a_gpu_is_not_needed() -> None:
    lines = {line.name: line for line in devices.lines()}
    assert lines["cpu"].mark == "ok"
    assert f"torch threads {torch.get_num_threads()}" in lines["cpu"].says
    assert lines["cuda"].mark == "missing"
    assert "not needed" in lines["cuda"].fix


def test_every_gpu_has_a_line(monkeypatch) -> None:
    properties = SimpleNamespace(name="GPU of a test", total_memory=80e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(engine, "bf16_speedup", lambda device: {"cuda": 8.0, "cpu": 0.5}[device])
    lines = {line.name: line for line in devices.lines()}
    assert lines["cuda:1"].says.startswith("GPU of a test, memory 80 GB")
    assert (lines["bf16 on cuda"].mark, lines["bf16 on cuda"].facts["speedup"]) == ("ok", 8.0)
    assert lines["bf16 on cpu"].facts["speedup"] == 0.5


@pytest.mark.parametrize(
    ("told", "speedup", "mark", "words"),
    [
        (True, 2.0, "ok", "announced; a convolution measured at 2.0 times"),
        (True, 0.4, "broken", "announced; a convolution measured at 0.4 times"),
        (False, 0.4, "missing", "not announced; a convolution measured at 0.4 times"),
        (None, 2.0, "ok", "nothing announced; a convolution measured at 2.0 times"),
    ],
)
def test_bf16_is_judged_by_its_measured_speed(
    monkeypatch: pytest.MonkeyPatch, told: bool | None, speedup: float, mark: str, words: str
) -> None:
    monkeypatch.setattr(devices, "announced", lambda device: told)
    monkeypatch.setattr(engine, "bf16_speedup", lambda device: speedup)
    line = list(devices.lines())[-1]
    assert (line.name, line.mark) == ("bf16 on cpu", mark)
    assert line.says.startswith(words)
    assert line.facts == {"announced": told, "speedup": speedup, "used": mark == "ok"}


def test_a_device_without_bf16_is_said(monkeypatch) -> None:
    def refuse(device: str) -> float:
        raise RuntimeError('"conv" not implemented for BFloat16')

    monkeypatch.setattr(engine, "bf16_speedup", refuse)
    line = list(devices.lines())[-1]
    assert line.mark == "broken"
    assert "not implemented" in line.says


def test_throughput_has_a_line_a_work_and_keeps_its_budget() -> None:
    started = time.perf_counter()
    lines = list(throughput.lines(budget_s=0.1))
    assert time.perf_counter() - started < 20  # for a busy machine
    assert [line.name for line in lines] == ["matmul on cpu", "conv on cpu"]
    for line in lines:
        assert set(line.facts) == {"gflops_fp32", "gflops_bf16"}
        assert all(isinstance(rate, float) and rate > 0 for rate in line.facts.values())


def test_the_rate_is_operations_by_seconds_at_growing_scales(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    scales = []

    def prepare(scale: int) -> tuple[object, float]:
        scales.append(scale)
        return (lambda: now.__setitem__(0, now[0] + 0.001 * scale)), 5e6 * scale

    # 5e6 operations a millisecond are 5 in units of 1e9 a second, at every scale.
    assert best_rate(prepare, lambda: None, budget_s=0.1, limit=8) == pytest.approx(5)
    assert scales == [1, 2, 4]  # a call of 4 ms is longer than 1/40 of 0.1 s
