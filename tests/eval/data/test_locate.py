from pathlib import Path

import pytest

from eval.data import open_data
from eval.data.files.pictures import to_rgb
from eval.data.locate import DataMissing, data_root
from eval.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting is made, but for an empty config file."""
    monkeypatch.delenv("SAT_ZOO_DATA", raising=False)
    monkeypatch.delenv("SAT_ZOO_HOME", raising=False)
    path = tmp_path / "config.toml"
    path.touch()
    monkeypatch.setenv("SAT_ZOO_CONFIG", str(path))
    return path


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "something").touch()
    return folder


def test_the_argument_wins_over_the_settings(tmp_path: Path, monkeypatch, config: Path) -> None:
    for name in ("argument", "data", "home", "configured"):
        filled(tmp_path / name)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    assert data_root(None).path == tmp_path / "home" / "data"
    config.write_text(f'data_dir = "{tmp_path / "configured"}"\n')
    assert data_root(None).path == tmp_path / "configured"
    monkeypatch.setenv("SAT_ZOO_DATA", str(tmp_path / "data"))
    assert data_root(None).path == tmp_path / "data"
    assert data_root(tmp_path / "argument").path == tmp_path / "argument"


def test_without_settings_the_platforms_folder_is_meant() -> None:
    assert data_root(None).path.parts[-2:] == ("sat-zoo", "data")


def test_a_data_set_may_have_a_folder_of_its_own(tmp_path: Path, config: Path) -> None:
    everything, imagenet = filled(tmp_path / "everything"), filled(tmp_path / "imagenet")
    config.write_text(f'data_dir = "{everything}"\n[data]\nimagenet = "{imagenet}"\n')
    assert data_root(None, "imagenet").path == imagenet
    assert data_root(None, "imagenet").named_by == f"[data] imagenet ({config})"
    assert data_root(None, "cifar10").path == everything
    assert data_root(None).named_by == f"data_dir ({config})"


@pytest.mark.parametrize("name", ["cifar10", "cifar10-jpeg", "imagenet"])
def test_every_data_set_on_disk_is_looked_for_in_its_own_folder(
    tmp_path: Path, config: Path, name: str
) -> None:
    folder = filled(tmp_path / "own")
    config.write_text(f'[data]\n{name} = "{folder}"\n')
    preprocess = to_rgb if name == "imagenet" else None
    with pytest.raises(DataMissing, match=rf"{folder} \(from \[data\] {name} "):
        open_data(name, preprocess=preprocess)


def test_a_configured_folder_that_is_gone_is_an_error_that_names_the_file(
    tmp_path: Path, config: Path
) -> None:
    config.write_text(f'data_dir = "{tmp_path / "gone"}"\n')
    with pytest.raises(DataError, match=rf"data_dir \({config}\) {tmp_path}/gone does not exist"):
        data_root(None)


def test_a_broken_config_file_is_an_error_only_where_it_is_asked(
    tmp_path: Path, config: Path
) -> None:
    config.write_text("data_dir")
    with pytest.raises(UsageError, match="is not TOML"):
        data_root(None)
    folder = filled(tmp_path / "data")
    assert data_root(folder).path == folder


def test_a_named_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"`data_dir` .*/gone does not exist"):
        data_root(tmp_path / "gone")
    with pytest.raises(DataError, match=r"`data_dir` .*/file is a file"):
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
    with pytest.raises(DataError, match=r"`data_dir`, SAT_ZOO_DATA or data_dir in .*config.toml"):
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
