"""`--tensorboard`, with a stand-in for the package."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SHORT = ("train", "resnet8-silu-sat-digits", "--limit-steps", "2", "--device", "cpu")
Run = Callable[..., tuple[int, str, str]]


class Writer:
    """Remembers what a `SummaryWriter` is told."""

    made: list["Writer"]

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.scalars: list[tuple[str, float, int]] = []
        self.ended: list[str] = []
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        self.ended.append("flush")

    def close(self) -> None:
        self.ended.append("close")


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    """The writers that are made while the stand-in is installed."""
    made: list[Writer] = []
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = type("SummaryWriter", (Writer,), {"made": made})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return made


def test_every_epoch_is_written_for_tensorboard(
    sat_zoo: Run, tmp_path: Path, writers: list[Writer]
) -> None:
    code, _, _ = sat_zoo(*SHORT, "--tensorboard", "--out", str(tmp_path / "run"))
    assert code == 0
    (board,) = writers
    assert board.folder == tmp_path / "run" / "tensorboard"
    values = {name: value for name, value, _ in board.scalars}
    assert {"loss", "train_robust", "lr", "images_per_second"} <= set(values)
    assert 1 < values["loss"] < 4
    assert {step for _, _, step in board.scalars} == {2}
    assert all(isinstance(value, (int, float)) for value in values.values())
    assert board.ended == ["flush", "close"]


def test_without_the_flag_nothing_is_written_for_tensorboard(
    sat_zoo: Run, tmp_path: Path, writers: list[Writer]
) -> None:
    assert sat_zoo(*SHORT, "--out", str(tmp_path / "run"))[0] == 0
    assert writers == []


def test_a_missing_package_is_one_sentence_with_the_remedy(
    sat_zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, err = sat_zoo(*SHORT, "--tensorboard", "--out", str(tmp_path / "run"))
    assert code == 2
    assert err == (
        "sat-zoo: --tensorboard needs the package tensorboard: install it with pip install"
        " tensorboard\n"
    )
