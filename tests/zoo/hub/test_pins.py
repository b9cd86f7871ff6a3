import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from eval.errors import SatZooError
from zoo.hub import pins
from zoo.hub.pins import PACKAGED, Pin, pin_of, write_pin

GOOD = {
    "repo": "org/resnet8",
    "revision": "a" * 40,
    "file": "model.safetensors",
    "sha256": "b" * 64,
    "size": 1000,
}
PIN = Pin(**GOOD)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repo", "resnet8"),
        ("repo", "org/../x"),
        ("repo", "org/a--b"),
        ("repo", "org/a/b"),
        ("repo", "org/" + "a" * 96),
        ("revision", "main"),
        ("revision", "A" * 40),
        ("file", "../../x.safetensors"),
        ("file", "/etc/x.safetensors"),
        ("file", "a\\x.safetensors"),
        ("file", "a//x.safetensors"),
        ("file", "pytorch_model.bin"),
        ("sha256", "b" * 63),
        ("size", 0),
    ],
)
def test_a_pin_names_one_safe_file_of_one_commit(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Pin(**{**GOOD, field: value})


def test_a_written_pin_is_found_again() -> None:
    assert pin_of("resnet8-silu-sat-digits") is None
    write_pin("resnet8-silu-sat-digits", PIN)
    assert pin_of("resnet8-silu-sat-digits") == PIN


def test_pins_are_written_sorted_and_replaced(home: Path) -> None:
    write_pin("b", PIN)
    write_pin("a", PIN)
    newer = PIN.model_copy(update={"size": 2})
    assert write_pin("b", newer) == home / "pins.json"
    content = json.loads((home / "pins.json").read_text())
    assert list(content) == ["a", "b"]
    assert content["b"]["size"] == 2


def test_the_users_pin_wins_over_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = write_pin("a", PIN, tmp_path / "packaged.json")
    monkeypatch.setattr(pins, "PACKAGED", packaged)
    assert pin_of("a") == PIN
    newer = PIN.model_copy(update={"revision": "c" * 40})
    write_pin("a", newer)
    assert pin_of("a") == newer


def test_the_packages_pins_are_pins_of_models() -> None:
    from zoo.registry import list_models

    assert set(json.loads(PACKAGED.read_text("utf-8"))) <= set(list_models())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not a file of pins: the file: Invalid JSON"),
        ('{"a": {"repo": "x"}}', r"not a file of pins: a\.repo: 'x' is no OWNER/NAME"),
    ],
)
def test_a_broken_file_of_pins_is_named(home: Path, content: str, said: str) -> None:
    home.mkdir()
    (home / "pins.json").write_text(content)
    with pytest.raises(SatZooError, match=said):
        pin_of("a")
    with pytest.raises(SatZooError, match=said):
        write_pin("a", PIN)
    assert (home / "pins.json").read_text() == content


def test_a_folder_that_cannot_be_made_is_named(home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(SatZooError, match=r"cannot be (read|made): .*"):
        write_pin("a", PIN)
