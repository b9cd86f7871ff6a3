"""What can compute here, and whether bf16 is as good as announced."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from eval.cpus import usable_cpus
from zoo.doctor.findings import Fact, Line, died, size

if TYPE_CHECKING:
    import torch

CPU_FLAGS = ("amx_bf16", "avx512_bf16", "avx_ne_convert", "bf16", "svebf16")
"""How x86 and Arm processors announce bf16 in /proc/cpuinfo."""


def lines() -> Iterator[Line]:
    """The CPU, GPUs, and for each kind of device one line on bf16."""
    yield _cpu()
    yield from _cuda()
    yield from _mps()
    for device in usable():
        yield _bf16(device)


def usable() -> list[torch.device]:
    """The devices of this machine, one of each kind."""
    import torch

    found = [torch.device("cpu")]
    if torch.cuda.is_available():
        found.append(torch.device("cuda"))
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return found


def _cpu() -> Line:
    import torch

    from eval.processor import processor

    model = processor(torch.device("cpu"))
    n_cores = os.cpu_count() or 1
    n_usable = usable_cpus()
    n_threads = torch.get_num_threads()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Line(
        name="cpu",
        mark="ok",
        says=f"{model}, {n_cores} cores ({n_usable} usable), torch threads {n_threads},"
        f" memory {size(memory)}",
        facts={
            "model": model,
            "cores": n_cores,
            "usable_cores": n_usable,
            "threads": n_threads,
            "memory_bytes": memory,
        },
    )


def _cuda() -> Iterator[Line]:
    import torch

    if not torch.cuda.is_available():
        build = torch.version.cuda
        built = (
            f"this torch is built for CUDA {build}" if build else "this torch is built without CUDA"
        )
        yield Line(
            name="cuda",
            mark="missing",
            says=f"no GPU that torch can use ({built})",
            fix="not needed, runs use the CPU; for a GPU, "
            + ("see that nvidia-smi lists it" if build else "install torch with CUDA"),
        )
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Line(
            name=f"cuda:{index}",
            mark="ok",
            says=f"{properties.name}, memory {size(properties.total_memory)}, CUDA"
            f" {torch.version.cuda}",
            facts={"model": properties.name, "memory_bytes": properties.total_memory},
        )


def _mps() -> Iterator[Line]:
    import torch

    if torch.backends.mps.is_available():
        yield Line(name="mps", mark="ok", says="the GPU of this Mac")
    elif sys.platform == "darwin":
        fix = "not needed, runs use the CPU; it takes a Mac with Apple silicon and macOS 14"
        yield Line(name="mps", mark="missing", says="no GPU that torch can use", fix=fix)


def _bf16(device: torch.device) -> Line:
    from eval.engine.engine import WORTHWHILE, bf16_speedup

    name = f"bf16 on {device.type}"
    told = announced(device)
    try:
        speedup = bf16_speedup(device.type)
    except RuntimeError as problem:
        return died(name, problem)
    is_fast = speedup >= WORTHWHILE
    saying = {True: "announced", False: "not announced", None: "nothing announced"}[told]
    says = f"{saying}; a convolution measured at {speedup:.1f} times the speed of fp32"
    facts: dict[str, Fact] = {"announced": told, "speedup": round(speedup, 2), "used": is_fast}
    if is_fast:
        return Line(name=name, mark="ok", says=f"{says}: searches use it", facts=facts)
    return Line(
        name=name,
        mark="broken" if told else "missing",
        says=says,
        fix="nothing to do: --precision auto takes fp32",
        facts=facts,
    )


def announced(device: torch.device) -> bool | None:
    """Whether the device claims bf16; None where nothing tells."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type != "cpu":
        return None
    try:
        told = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    flags = [line for line in told if line.startswith(("flags", "Features"))]
    return any(flag in flags[0].split() for flag in CPU_FLAGS) if flags else None
