"""What the machine is and can do."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import torch

SIZES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
"""Sides of the square matrices; small ones stay in the caches, large ones fill all units."""

PEAK_S = 0.3
"""Seconds spent on each size."""


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
