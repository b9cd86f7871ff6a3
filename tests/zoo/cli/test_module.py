"""`python -m zoo` and `python -m sat_zoo` are `sat-zoo`, wherever they are started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(module: str, *words: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ["zoo", "sat_zoo"])
def test_help_and_errors_call_it_by_its_name(module: str, tmp_path: Path) -> None:
    done = run(module, "eval", "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: sat-zoo eval [OPTIONS] [NAME]\n")
    done = run(module, "shw", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sat-zoo: unknown command 'shw'")


def test_shells_complete_it_under_the_name_of_the_script(tmp_path: Path) -> None:
    asked = {"COMP_WORDS": "sat-zoo rep", "COMP_CWORD": "1", "_SAT_ZOO_COMPLETE": "bash_complete"}
    for module in ("zoo", "sat_zoo"):
        done = run(module, folder=tmp_path, **asked)
        assert done.stdout == "plain,reproduce\n"
        assert done.stderr == ""
