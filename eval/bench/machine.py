"""What the machine is and can do."""

from __future__ import annotations

import platform
import subprocess
import time
from pathlib import Path

import torch

SIZES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
"""Sides of the square matrices; small ones stay in the caches, large ones fill all units."""

PEAK_S = 0.3
"""Seconds spent on each size."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells what its processors are."""


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of a square matrix product, in 10^9 floating-point operations a second.

    Sizes of which one product would take over `PEAK_S` are left out, but for the smallest: where
    bf16 is not in the hardware, a large one takes a quarter of a minute and is no faster.
    """
    rates: list[float] = []
    for n in SIZES["cuda" if device.type == "cuda" else "cpu"]:
        if not rates or 2 * n**3 / 1e9 / rates[-1] < PEAK_S:
            rates.append(_rate(device, dtype, n))
    return max(rates)


def _rate(device: torch.device, dtype: torch.dtype, n: int) -> float:
    a = torch.ones(n, n, device=device, dtype=dtype)
    best, deadline = float("inf"), time.perf_counter() + PEAK_S
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        a @ a
        wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * n**3 / best / 1e9


def wait(device: torch.device) -> None:
    """Until the device has done what it was given; at once on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def processor(device: torch.device) -> str:
    """The name of the CPU, or of the GPU.

    A virtual machine may call its CPU "AMD EPYC" and no more; such a name is followed by the
    numbers that tell the generation.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    # All cores are listed; the first is enough.
    said = {key.strip(): value.strip() for key, value in reversed(pairs)}
    name = said.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key} {said[key]}" for key in ("cpu family", "model", "stepping") if key in said]
    is_precise = any(letter.isdigit() for letter in name)
    return name if is_precise or not numbers else f"{name} ({', '.join(numbers)})"


def instructions(device: torch.device) -> str | None:
    """The vector instructions that torch uses on the CPU, such as "AVX2"; None for a GPU."""
    return torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else None


def commit(folder: Path) -> str:
    """The commit of the checkout at `folder`, with -dirty if it was changed since; or "unknown"."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


class MemoryPeak:
    """The highest memory use since `restart`: of the process, or of the GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def restart(self) -> None:
        """Forget what was before."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            # proc(5): 5 sets the high-water mark of the resident memory to what it is now.
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return

    def read(self) -> int | None:
        """Bytes; None where the system does not tell."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device)  # with the graphs' own
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return None
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
        return found[0] if found else None
