"""Programs run in a process whose heap is watched: one that is written past its end kills it."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's heap can be watched"
)


def run_guarded(program: str, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run Python text with one thread, from the checkout's root.

    glibc then fills what is freed, guards each block with a byte behind it, and aborts where that
    was overwritten. Since 2.34 a library beside it does so.
    """
    watching = {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165", "OMP_NUM_THREADS": "1"}
    if tuple(map(int, platform.libc_ver()[1].split("."))) >= (2, 34):
        watching["LD_PRELOAD"] = "libc_malloc_debug.so.0"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | watching,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
