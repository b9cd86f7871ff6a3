"""Tests that start clusters of Ray run one after the other, those of a file in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist")

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests.sharing import ByFile


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)
"""
TEST = """
import os
import time

import pytest


@pytest.mark.parametrize("i", range(4))
def test_it(i):
    time.sleep(0.05)
    print("RAN", __file__, os.getpid())
"""


def test_files_with_a_cluster_run_in_one_process_and_other_files_whole(tmp_path: Path) -> None:
    names = [f"test_{name}.py" for name in ("a", "b", "c", "ray", "ray_ends", "rays")]
    for i, name in enumerate(names):
        path = tmp_path / str(i) / name
        path.parent.mkdir()
        path.write_text(TEST)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    words = ["-n", "2", "--dist", "loadfile", "-rP", "--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    ran = [line.split() for line in done.stdout.splitlines() if line.startswith("RAN")]
    assert len(ran) == 4 * len(names)
    places: dict[str, set[str]] = {}
    for _, file, pid in ran:
        name = Path(file).name
        places.setdefault("ray" if name.startswith("test_ray") else name, set()).add(pid)
    assert all(len(pids) == 1 for pids in places.values()), places
    assert len(set().union(*places.values())) == 2, "both processes"
