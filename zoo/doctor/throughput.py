"""How fast a device multiplies matrices and convolves: about three seconds in all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from zoo.doctor.devices import usable
from zoo.doctor.findings import Fact, Line, died

if TYPE_CHECKING:
    import torch

Prepare = Callable[[int], tuple[Callable[[], object], float]]
"""From a scale to a call and the floating-point operations in it."""

BUDGET_S = 3.0
DTYPES = ("fp32", "bf16")
SHORT = 1 / 40
"""A call that takes less than this share of its budget is tried at twice the scale: the figure
wanted is that of large calls, and the budget must hold on slow machines."""


def lines(budget_s: float = BUDGET_S) -> Iterator[Line]:
    """For each device a line on matrix products and one on 3x3 convolutions, in GFLOP/s."""
    devices = usable()
    works = {"matmul": (_matmul, 32), "conv": (_conv, 256)}
    share = budget_s / (len(devices) * len(works) * len(DTYPES))
    for device in devices:
        for work, (prepare, limit) in works.items():
            name = f"{work} on {device.type}"
            try:
                rates = {
                    dtype: best_rate(partial(prepare, device, dtype), _waiter(device), share, limit)
                    for dtype in DTYPES
                }
            except RuntimeError as problem:
                yield died(name, problem)
                continue
            said = ", ".join(f"{dtype} {rate:,.0f}" for dtype, rate in rates.items())
            facts: dict[str, Fact] = {f"gflops_{k}": round(rate, 1) for k, rate in rates.items()}
            yield Line(name=name, mark="ok", says=f"{said} GFLOP/s", facts=facts)


def best_rate(prepare: Prepare, wait: Callable[[], None], budget_s: float, limit: int) -> float:
    """The best rate of a call in 10^9 operations a second, at scales 1, 2, 4 ... up to `limit`."""
    deadline = time.perf_counter() + budget_s
    scale, best = 1, 0.0
    call, flops = prepare(scale)
    call()  # the first call of a kind also chooses and compiles
    wait()
    while True:
        started = time.perf_counter()
        call()
        wait()
        ended = time.perf_counter()
        best = max(best, flops / (ended - started))
        if ended >= deadline:
            return best / 1e9
        if ended - started < SHORT * budget_s and scale < limit:
            scale *= 2
            call, flops = prepare(scale)
            call()
            wait()


def _matmul(device: torch.device, dtype: str, scale: int) -> tuple[Callable[[], object], float]:
    import torch

    n = 256 * scale
    a = torch.ones(n, n, device=device, dtype=_dtype(dtype))
    return lambda: a @ a, 2 * n**3


def _conv(device: torch.device, dtype: str, scale: int) -> tuple[Callable[[], object], float]:
    """The 3x3 convolution of ResNet's first stage, as the engine runs it: channels last."""
    import torch
    from torch.nn.functional import conv2d

    n, width, side = scale, 64, 56
    x = torch.ones(n, width, side, side, device=device, dtype=_dtype(dtype))
    x = x.to(memory_format=torch.channels_last)
    weight = torch.ones(width, width, 3, 3, device=device, dtype=_dtype(dtype))
    weight = weight.to(memory_format=torch.channels_last)
    return lambda: conv2d(x, weight, padding=1), 2 * n * width**2 * 9 * side**2


def _dtype(name: str) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[name]


def _waiter(device: torch.device) -> Callable[[], None]:
    import torch

    if device.type == "cuda":
        return torch.cuda.synchronize
    return torch.mps.synchronize if device.type == "mps" else lambda: None
