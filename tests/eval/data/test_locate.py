from pathlib import Path

import pytest

from eval.data import open_data
from eval.data.locate import data_root
from eval.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAT_ZOO_DATA", raising=False)
    monkeypatch.delenv("SAT_ZOO_HOME", raising=False)


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "something").touch()
    return folder


def test_the_argument_wins_over_the_settings(tmp_path: Path, monkeypatch) -> None:
    for name in ("argument", "data", "home"):
        filled(tmp_path / name)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    assert data_root(None).path == tmp_path / "home" / "data"
    monkeypatch.setenv("SAT_ZOO_DATA", str(tmp_path / "data"))
    assert data_root(None).path == tmp_path / "data"
    assert data_root(tmp_path / "argument").path == tmp_path / "argument"


def test_without_settings_the_platforms_folder_is_meant() -> None:
    assert data_root(None).path.parts[-2:] == ("sat-zoo", "data")


def test_a_named_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"--data-dir .*/gone does not exist"):
        data_root(tmp_path / "gone")
    with pytest.raises(DataError, match=r"--data-dir .*/file is a file"):
        data_root(tmp_path / "file")
    monkeypatch.setenv("SAT_ZOO_DATA", str(tmp_path / "empty"))
    with pytest.raises(DataError, match=r"SAT_ZOO_DATA .*/empty is empty"):
        data_root(None)

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be read: Permission denied"):
        data_root(None)


def test_what_was_looked_for_and_where_is_said(tmp_path: Path, monkeypatch) -> None:
    folder = filled(tmp_path / "data")
    with pytest.raises(DataError, match=rf"cifar10 \(test\) was not found: {folder} .*batches-py"):
        open_data("cifar10", data_dir=folder)
    with pytest.raises(DataError, match=r"holds none of train.zip, train.tar.gz, train beside"):
        open_data("cifar10-jpeg", data_dir=folder, split="train")
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"\(from the default data folder\) does not exist"):
        open_data("cifar10")


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown data set 'cifar-10': did you mean cifar10"):
        open_data("cifar-10")
    with pytest.raises(UsageError, match="unknown split of cifar10 'val'"):
        open_data("cifar10", split="val")
    with pytest.raises(UsageError, match="unknown split of cifar10-jpeg 'val'"):
        open_data("cifar10-jpeg", split="val")
    with pytest.raises(UsageError, match="digits cannot be downloaded"):
        open_data("digits", download=True)
