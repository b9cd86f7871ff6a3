import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.doctor.isolation import CLOSED, TOKEN, Machine, machine
from zoo.doctor.findings import Diagnosis, Line

__all__ = ["machine"]  # a fixture

Run = Callable[..., Any]
TITLES = ["software", "extras", "devices", "hub", "weights", "data", "disk", "default job"]


@pytest.fixture
def doctor(sat_zoo: Run, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SAT_ZOO_HOME", str(machine.home))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return lambda *args: sat_zoo("doctor", "--quick", *args)


def test_the_help_has_examples(sat_zoo: Run) -> None:
    done = sat_zoo("doctor", "--help")
    assert done.code == 0
    assert "Examples:\n    sat-zoo doctor\n" in done.out


def test_the_page_has_a_mark_on_every_line_and_the_verdict_last(doctor: Run) -> None:
    done = doctor()
    lines = done.out.splitlines()
    assert done.code == 0
    assert [line.strip() for line in lines if line.strip() in TITLES] == TITLES
    assert lines[-1] == (
        "the default job can run: sat-zoo eval resnet8-silu-sat-digits --attack autoattack"
    )
    marks = {line.split()[0] for line in lines[1:-1] if line[:1].isalpha()} - {"default"}
    assert marks - set(TITLES) <= {"ok", "not", "missing", "broken"}  # "not needed"


def test_json_is_one_valid_object_with_the_same_content(doctor: Run) -> None:
    done = doctor("--json")
    found = Diagnosis.model_validate_json(done.out)
    assert json.loads(done.out)["schema"] == "sat-zoo/doctor@1"
    assert [section.title for section in found.sections] == TITLES
    page = " ".join(doctor().out.split())
    for section in found.sections:
        for line in section.lines:
            if line.name not in {"hub", "disk at SAT_ZOO_HOME", "disk at HF_HOME", "bf16 on cpu"}:
                mark = "not needed" if line.mark == "missing" and not line.needed else line.mark
                start = " ".join([mark, line.name, line.says])[:60]  # before a cell is folded
                assert start in page
    assert found.default_job.can_run


def test_throughput_is_measured_unless_quick(sat_zoo: Run, doctor: Run, monkeypatch) -> None:
    line = Line(name="matmul on cpu", mark="ok", says="fp32 1, bf16 2 GFLOP/s")
    monkeypatch.setattr("zoo.doctor.throughput.lines", lambda: [line])
    assert "fp32 1, bf16 2 GFLOP/s" in sat_zoo("doctor").out
    assert "GFLOP/s" not in doctor().out


def test_no_token_is_shown(doctor: Run) -> None:
    for args in ((), ("--json",)):
        done = doctor(*args)
        assert TOKEN not in done.out + done.err
        assert "token: set" in done.out


def test_a_default_job_that_cannot_run_ends_with_1_and_says_why(doctor: Run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = doctor("--json")
    found = Diagnosis.model_validate_json(done.out)
    assert done.code == 1
    assert not found.default_job.can_run
    assert "torch: " in done.err
    assert "cannot be imported" in done.err
    assert "the default job, sat-zoo eval" in done.err
    assert "Traceback" not in done.err


def test_data_are_looked_for_where_the_option_says(doctor: Run, tmp_path: Path) -> None:
    done = doctor("--data-dir", str(tmp_path / "gone"), "--json")
    found = Diagnosis.model_validate_json(done.out)
    lines = {line.name: line for section in found.sections for line in section.lines}
    assert lines["cifar10"].says == f"--data-dir {tmp_path / 'gone'} does not exist"
    assert done.code == 0


def test_nothing_is_written(doctor: Run, machine: Machine) -> None:
    folder = machine.user / "data" / "cifar10"
    folder.mkdir(parents=True)
    (folder / "test.zip").write_bytes(b"no zip")
    (folder / "test_order.csv").touch()
    before = machine.tree()
    doctor("--data-dir", str(folder))
    assert machine.tree() == before


@pytest.mark.slow
def test_a_whole_run_with_the_settings_of_the_environment(machine: Machine) -> None:
    """As users call it: huggingface_hub reads HF_ENDPOINT and HF_HOME itself."""
    environment = {**os.environ, "HF_ENDPOINT": CLOSED, "HF_HOME": str(machine.user / "hf")}
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "doctor"]
    done = subprocess.run(
        [*command, "--quick", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = Diagnosis.model_validate_json(done.stdout)
    lines = {line.name: line for section in found.sections for line in section.lines}
    assert done.returncode == 0
    assert lines["hub"].says.startswith(f"{CLOSED} does not answer")
    assert lines["hub"].fix.startswith("check HF_ENDPOINT")
    assert lines["hub cache"].facts["path"] == str(machine.user / "hf" / "hub")
