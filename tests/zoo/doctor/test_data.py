from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.data import ImageSet, from_arrays
from eval.errors import DataError
from tests.zoo.doctor.isolation import Machine
from zoo.doctor import data
from zoo.doctor.data import common_places, data_set
from zoo.doctor.findings import Line


def found_lines(data_dir: Path | None = None) -> dict[str, Line]:
    return {line.name: line for line in data.lines(data_dir, common_places())}


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, n: int, proved: str, place: Path) -> None:
    """Let `place` hold a data set."""
    real = data.opened
    images = from_arrays(np.zeros((n, 2, 2, 3), np.uint8), np.zeros(n, np.int64), n_classes=10)
    fake = replace(images, name=proved)

    def opened(asked: str, data_dir: Path | None) -> ImageSet:
        return fake if (asked, data_dir) == (name, place) else real(asked, data_dir)

    monkeypatch.setattr(data, "opened", opened)


def test_digits_are_always_here_and_counted(machine: Machine) -> None:
    line = found_lines()["digits"]
    assert (line.mark, line.needed, line.facts["images"]) == ("ok", True, 360)


def test_what_is_missing_says_what_was_looked_for_and_where(machine: Machine) -> None:
    lines = found_lines()
    for name, wanted in {
        "cifar10": "cifar-10-batches-py",
        "cifar10-jpeg": "test_order.csv",
        "imagenet": "ILSVRC2012_val_",
    }.items():
        assert lines[name].mark == "missing"
        assert str(machine.home / "data") in lines[name].says
        assert wanted in lines[name].says
        assert "--data-dir, SAT_ZOO_DATA or data_dir in" in lines[name].fix
        assert not lines[name].needed


def test_a_set_that_is_found_says_count_layout_and_who_named_it(
    machine: Machine, monkeypatch, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "something").touch()
    pretend(monkeypatch, "cifar10", 20, "cifar10", folder)
    line = found_lines(folder)["cifar10"]
    assert line.mark == "ok"
    assert line.says.startswith("20 images (")
    assert f"in {folder} (from --data-dir)" in line.says
    assert (line.facts["path"], line.facts["images"]) == (str(folder), 20)


def test_a_set_that_proves_to_be_another_is_not_ok(machine: Machine, monkeypatch) -> None:
    pretend(monkeypatch, "cifar10", 20, "cifar10-folder", machine.user)
    (machine.user / "something").touch()
    line = found_lines(machine.user)["cifar10"]
    assert line.mark == "broken"
    assert line.fix.startswith("as --data cifar10-folder it can be used")


@pytest.mark.parametrize("place", ["data", "datasets", ".cache", ".keras/datasets"])
def test_a_copy_in_a_common_place_is_only_suggested(
    machine: Machine, monkeypatch, place: str
) -> None:
    folder = machine.user / place
    folder.mkdir(parents=True)
    pretend(monkeypatch, "imagenet", 20, "imagenet", folder)
    line = found_lines()["imagenet"]
    assert line.mark == "missing"
    assert line.fix == f"found at {folder} (20 images): use --data-dir {folder}"
    assert line.facts["seen_at"] == str(folder)


def test_a_hub_cache_of_a_data_set_is_a_common_place(machine: Machine) -> None:
    snapshot = machine.user / "hub" / "datasets--ILSVRC--imagenet-1k" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert common_places() == [snapshot]


def test_a_part_of_imagenet_is_broken_with_its_counts(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "imagenet" / "val"
    folder.mkdir(parents=True)
    for number in (1, 2, 5):
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").touch()
    line = found_lines(tmp_path)["imagenet"]
    assert line.mark == "broken"
    assert "holds 3 of 50000 validation pictures" in line.says
    assert "ILSVRC2012_val_00000003" in line.fix


def test_a_part_of_cifar10_is_missing_the_rest(machine: Machine, shared: Path) -> None:
    line = data_set("cifar10", shared / "data" / "cifar10", ())
    assert line.mark == "missing"
    assert line.says.startswith("1,017 images (test)")
    assert "ask for at most 1,017" in line.fix


def test_a_folder_that_was_named_and_is_wrong_is_broken(machine: Machine) -> None:
    line = found_lines(machine.user / "gone")["cifar10"]
    assert line.mark == "broken"
    assert line.says == f"--data-dir {machine.user / 'gone'} does not exist"
    assert line.fix == "name the folder that holds the data sets"


def test_a_reader_that_dies_hides_no_other_set(machine: Machine, monkeypatch) -> None:
    real = data.opened

    def opened(name: str, data_dir: Path | None) -> ImageSet:
        if name == "cifar10":
            raise ZeroDivisionError("division by zero")
        return real(name, data_dir)

    monkeypatch.setattr(data, "opened", opened)
    lines = found_lines()
    assert lines["cifar10"].says == "ZeroDivisionError: division by zero"
    assert lines["imagenet"].mark == "missing"


def test_a_config_file_is_read_said_and_may_be_absent(machine: Machine) -> None:
    path = machine.user / ".config" / "sat-zoo" / "config.toml"
    absent = found_lines()["config file"]
    assert (absent.mark, absent.facts["path"]) == ("missing", str(path))
    assert absent.fix.startswith("not needed")
    path.parent.mkdir(parents=True)
    path.write_text('data_dir = "~/pictures"\n')
    lines = found_lines()
    assert lines["config file"].says == f"{path}: data_dir = {machine.user}/pictures"
    assert lines["cifar10"].says.startswith(f"data_dir ({path}) {machine.user}/pictures does not")


def test_a_broken_config_file_is_named_with_its_line(machine: Machine) -> None:
    path = machine.user / ".config" / "sat-zoo" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('data_dir = "~/data"\n[data\n')
    lines = found_lines()
    assert lines["config file"].mark == "broken"
    assert "at line 2" in lines["config file"].says
    assert "config file is broken" in lines["imagenet"].says
    assert lines["digits"].mark == "ok"


def test_digits_of_another_scikit_learn_are_broken(machine: Machine, monkeypatch) -> None:
    def opened(name: str, data_dir: Path | None) -> ImageSet:
        raise DataError("the digits have sha256 a, expected b; install another scikit-learn")

    monkeypatch.setattr(data, "opened", opened)
    line = data_set("digits", None, ())
    assert (line.mark, line.needed, line.fix) == ("broken", True, "install another scikit-learn")
