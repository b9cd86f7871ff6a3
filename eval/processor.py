"""What computes: the name of a device, and the instructions that torch uses there."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells what its processors are."""


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
