import shutil
from pathlib import Path

import pytest

from tests.zoo.doctor.isolation import Machine
from zoo.doctor import disk, job, weights
from zoo.doctor.findings import Line
from zoo.doctor.job import DEFAULT_MODEL
from zoo.hub.pins import Pin, write_pin
from zoo.registry import card, list_models
from zoo.weights.file import Found
from zoo.weights.store import Store


def found_lines() -> dict[str, Line]:
    return {line.name: line for line in weights.lines()}


def test_bundled_weights_are_checked_to_the_byte(machine: Machine) -> None:
    line = found_lines()[DEFAULT_MODEL]
    assert (line.mark, line.needed) == ("ok", True)
    assert line.says == "bundled, 318 kB, sha256 as promised"
    assert line.facts["source"] == "bundled"


def test_every_model_is_named_once_with_a_way_to_its_weights(machine: Machine) -> None:
    named = []
    for line in weights.lines():
        models = line.facts.get("models", (line.name,))
        assert isinstance(models, tuple)
        named += models
        assert (line.mark == "ok") == (line.facts.get("source") is not None)
        official = card(models[0]).official is not None
        assert line.mark == "ok" or ("sat-zoo pull" in line.fix) == official
    assert sorted(named) == list_models()


def test_imported_weights_say_so(machine: Machine) -> None:
    import torch

    Store().put("resnet50-silu-sat", {"w": torch.zeros(2)}, {})
    line = found_lines()["resnet50-silu-sat"]
    assert (line.mark, line.facts["source"]) == ("ok", "store")
    path = Path(str(line.facts["path"]))
    path.write_bytes(b"x" * 10)
    broken = found_lines()["resnet50-silu-sat"]
    assert broken.mark == "broken"
    assert "sat-zoo import" in broken.fix
    path.unlink()
    assert "is not complete" in found_lines()["resnet50-silu-sat"].says


def test_published_weights_are_pulled(machine: Machine) -> None:
    pin = Pin(repo="a/b", revision="0" * 40, sha256="0" * 64, size=1)
    write_pin("resnet50-silu-sat", pin)
    assert found_lines()["resnet50-silu-sat"].fix == "fetch them from the Hub: sat-zoo pull NAME"


def test_a_broken_file_of_pins_is_one_line(machine: Machine) -> None:
    machine.home.mkdir()
    (machine.home / "pins.json").write_text("{")
    (line,) = [line for line in found_lines().values() if line.mark != "ok"]
    assert (line.mark, line.needed) == ("broken", False)  # bundled weights need no pin
    assert str(machine.home / "pins.json") in line.says


def test_missing_and_changed_bundled_weights_are_broken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "w.safetensors"
    found = Found(file, "bundled", "0" * 64)
    bundled = card(DEFAULT_MODEL)
    monkeypatch.setattr(weights, "list_models", lambda: [bundled.name])
    monkeypatch.setattr(weights, "local_weights", lambda info: found)
    assert found_lines()[DEFAULT_MODEL].mark == "broken"
    file.write_bytes(b"other")
    line = found_lines()[DEFAULT_MODEL]
    assert "not 000000000000 as promised" in line.says
    assert (line.fix, line.needed) == ("reinstall sat-zoo", True)


def test_the_trial_runs_the_bundled_model(machine: Machine) -> None:
    (line,) = job.lines()
    assert (line.mark, line.needed) == ("ok", True)
    assert line.facts["correct"] == 31


def test_a_trial_that_fails_says_why(machine: Machine, monkeypatch) -> None:
    monkeypatch.setattr(job, "MIN_CORRECT", 33)
    (line,) = job.lines()
    assert line.mark == "broken"
    assert line.says.endswith("right on 31 of 32 digits")
    monkeypatch.setattr("zoo.loading.load", lambda name: 1 / 0)
    (line,) = job.lines()
    assert line.says == "ZeroDivisionError: division by zero"
    assert line.needed


def test_free_room_is_said_for_folders_that_do_not_exist_yet(machine: Machine) -> None:
    ours, hub = disk.lines()
    free = shutil.disk_usage(machine.user).free
    assert (ours.facts["path"], ours.needed) == (str(machine.home), True)
    assert ours.facts["free_bytes"] == pytest.approx(free, rel=0.1)
    assert (hub.name, hub.needed) == ("disk at HF_HOME", False)
    assert not machine.home.exists()


def test_little_room_or_none_to_write_in_is_broken(machine: Machine, monkeypatch) -> None:
    monkeypatch.setattr(disk, "LITTLE", 10**30)
    line = disk.room("SAT_ZOO_HOME", machine.home, needed=True)
    assert (line.mark, line.needed) == ("broken", False)
    assert "another folder in SAT_ZOO_HOME" in line.fix
    monkeypatch.setattr(disk.os, "access", lambda path, mode: False)
    line = disk.room("SAT_ZOO_HOME", machine.home, needed=True)
    assert line.says == f"{machine.user} cannot be written to"
    assert line.needed
    machine.home.touch()
    assert disk.room("SAT_ZOO_HOME", machine.home).says == f"{machine.home} is a file"
