"""Freed memory stays in the process while it computes, and goes back afterwards."""

import json
import platform
import subprocess
import sys

import pytest

from eval.engine.heap import freed_memory_kept

PROGRAM = """
import json, resource
from pathlib import Path

import torch

from eval.engine.heap import freed_memory_kept

MIB = 2**20


def faults_of_a_round():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(64 * MIB, dtype=torch.uint8) for _ in range(2)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# The least of many rounds: it takes some until the holes in the heap have the right sizes.
plain = min(faults_of_a_round() for _ in range(24))
with freed_memory_kept():
    kept = min(faults_of_a_round() for _ in range(24))
    within = resident()
print(json.dumps({"plain": plain, "kept": kept, "returned": within - resident()}))
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's heap can be told to keep what is freed"
)
def test_a_block_is_used_again_without_a_page_fault_and_returned_in_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # 128 MiB are at least 64 pages, even where these have 2 MiB.
    assert told["plain"] >= 64, told
    assert told["kept"] < 32, told
    assert told["returned"] > 100 * 2**20, told


@pytest.mark.parametrize("error", [OSError("no such library"), TypeError("no name")])
def test_without_glibc_what_is_within_is_done_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked, done = [], []

    def no_library(name: object) -> None:
        asked.append(name)
        raise error

    monkeypatch.setattr("ctypes.CDLL", no_library)
    with freed_memory_kept():
        done.append("within")
    assert (asked, done) == ([None], ["within"])


def test_another_c_library_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        """Has no mallopt, so that looking for it is an AttributeError."""

        def malloc_trim(self, pad: int) -> None:
            raise AssertionError(f"malloc_trim({pad}) was called")

    monkeypatch.setattr("ctypes.CDLL", lambda _: Other())
    with pytest.raises(KeyError, match="ours"), freed_memory_kept():
        raise KeyError("ours")


def test_the_heap_is_as_before_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Library:
        def mallopt(self, parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return int(value <= 2**25)  # as glibc before 2.34

        def malloc_trim(self, pad: int) -> None:
            calls.append(("trim", pad))

    monkeypatch.setattr("ctypes.CDLL", lambda _: Library())
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
    assert calls == [
        (-1, 2**31 - 1),
        (-3, 2**30),
        (-3, 2**25),
        (-1, 2**26),
        (-3, 2**25),
        ("trim", 0),
    ]
