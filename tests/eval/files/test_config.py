from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import UsageError
from eval.files.config import DATA_KEYS, Config, config_path, read_config


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("SAT_ZOO_CONFIG", str(path))
    monkeypatch.setenv("HOME", "/home/ada")
    return path


def test_the_file_lies_where_the_platform_keeps_settings(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAT_ZOO_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert config_path().parts[-2:] == ("sat-zoo", "config.toml")
    assert tmp_path in config_path().parents
    assert read_config() == Config(config_path())


def test_a_folder_for_all_and_one_for_some(file: Path) -> None:
    file.write_text('data_dir = "~/data"\n[data]\ncifar10 = "/a"\n"cifar10-jpeg" = "/b"\n')
    found = read_config()
    assert found.data_dir == Path("/home/ada/data")
    assert found.data == {"cifar10": Path("/a"), "cifar10-jpeg": Path("/b")}


def test_an_empty_file_says_nothing(file: Path) -> None:
    file.touch()
    assert read_config() == Config(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('datadir = "/x"', r"unknown setting 'datadir': did you mean data_dir .*\(in .*toml\)"),
        (
            '[data]\nimagnet = "/x"',
            r"unknown data set 'imagnet': did you mean imagenet\?.*\[data\]",
        ),
        ("data_dir = 3", r"data_dir is 3, expected a whole path, such as data_dir = \"~/data\""),
        ('data_dir = "data"', r"data_dir is 'data', expected a whole path"),
        ('data_dir = ""', r"data_dir is '', expected a whole path"),
        ('data_dir = "~nobody-of-this-name/x"', r"expected a whole path"),
        ("[data]\ncifar10 = [1]", r"cifar10 is \[1\], expected a whole path"),
        ('data = "/x"', r"data is '/x', expected a table: write \[data\]"),
        (
            'data_dir = "/x"\n[data',
            r"config.toml is not TOML: .*line 2, the last\); repair that line",
        ),
        ("data_dir\n\n", r"config.toml is not TOML: .*\(at line 1, column 9\); repair that line"),
    ],
)
def test_what_cannot_be_meant_is_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_config()


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(UsageError, match=r"SAT_ZOO_CONFIG .*config.toml does not exist"):
        read_config()
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"config.toml cannot be read: it is not UTF-8"):
        read_config()
    file.unlink()
    file.mkdir()
    with pytest.raises(UsageError, match=r"config.toml cannot be read: Is a directory"):
        read_config()


@given(key=st.sampled_from(DATA_KEYS), name=st.text("abcxyz -_.", min_size=1, max_size=20))
def test_what_is_written_is_read(tmp_path_factory, key: str, name: str) -> None:
    file = tmp_path_factory.mktemp("settings") / "config.toml"
    file.write_text(f"[data]\n{key} = '/{name}'\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAT_ZOO_CONFIG", str(file))
        assert read_config().data == {key: Path(f"/{name}")}
