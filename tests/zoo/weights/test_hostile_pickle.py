"""Files of torch.save that would run code, unfold, or are none."""

import argparse
import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from eval.errors import SatZooError, WeightsMismatch
from zoo.weights.convert import convert
from zoo.weights.pickled import data_only, read_pickled


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(content: Any, name: str = "mine.pth", **how: Any) -> Path:
        torch.save(content, tmp_path / name, **how)
        return tmp_path / name

    return write


class Running:
    def __init__(self, *what: Any) -> None:
        self._what = what

    def __reduce__(self) -> Any:
        return self._what


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (lambda: Running(os.system, ("touch ran",)), "posix.system"),
        (lambda: Running(eval, ("1",)), "eval"),
        (lambda: Running(torch.hub.load, ("a", "b")), "torch.hub.load"),
        (lambda: argparse.Namespace(lr=1), "argparse.Namespace"),
        (lambda: np.float64(0.9), "numpy"),
        (lambda: nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "older pickle"])
def test_a_pickle_that_asks_for_code_is_refused_with_what_it_asks_for(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    content: Callable[[], Any], name: str, zipped: bool,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    file = save({"a": torch.ones(1), "x": content()}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        WeightsMismatch, match=rf"asks for {name}.* can run any code: it is refused"
    ):
        convert(file)
    assert os.listdir(tmp_path) == ["mine.pth"]  # noqa: PTH208


def packed(path: Path) -> bytes:
    """The same archive with its members compressed, as torch.save never does."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.infolist():
            new.writestr(one.filename, old.read(one))
    return out.getvalue()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-200], "no whole file of torch.save"),
        (lambda content: content[: len(content) // 2], "no whole file of torch.save"),
        (lambda content: content.replace(b"PK\x01\x02", b"PK\x01\x03"), "no whole file"),
        (lambda _: b"", "begins like no pickle"),
        (lambda _: b"<!DOCTYPE html>", "it is a web page"),
        (lambda _: b"\x89HDF\r\n\x1a\n", "begins like no pickle"),
        (lambda _: pickle.dumps({"a": [1, 2]}), "cannot be read"),
        (lambda _: b"\x80\x02" + b"(" * 10**5, "cannot be read"),
        (lambda _: b"PK\x03\x04" + bytes(100), "cannot be read"),
    ],
)
def test_a_file_that_is_no_whole_one_of_torch_save_is_one_sentence(
    save: Callable[..., Path], damage: Callable[[bytes], bytes], message: str
) -> None:
    file = save({"a": torch.ones(100)})
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(SatZooError, match=message) as error:
        convert(file)
    assert "\n" not in str(error.value)
    assert not file.with_suffix(".safetensors").exists()


def test_bombs_are_refused_before_they_unfold(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save({"a": torch.zeros(10**6)})
    small = packed(file)
    assert len(small) < 10**5
    file.write_bytes(small)
    with pytest.raises(WeightsMismatch, match=r"compressed, which torch.save never does"):
        convert(file)
    file = save({"a": torch.zeros(1).expand(10**6, 10**6)})
    with pytest.raises(WeightsMismatch, match="would unfold to 4,000,000,000,000 bytes"):
        convert(file)
    file = save({str(i): torch.zeros(1000) for i in range(50)})
    monkeypatch.setenv("SAT_ZOO_LIMITS", "tensors=20")
    with pytest.raises(WeightsMismatch, match="more than the 20 allowed"):
        convert(file)
    monkeypatch.setenv("SAT_ZOO_LIMITS", "weight_bytes=1000")
    with pytest.raises(WeightsMismatch, match="SAT_ZOO_LIMITS=weight_bytes="):
        convert(file)


def test_only_this_thread_and_only_within_reads_data_only(save: Callable[..., Path]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    file, plain = save({"a": argparse.Namespace(b=1)}), torch.load
    with data_only() as files, ThreadPoolExecutor(1) as other:
        there = other.submit(lambda: torch.load(file, weights_only=False))
        assert there.result()["a"].b == 1
        with pytest.raises(WeightsMismatch):
            torch.load(file, weights_only=False)
        with file.open("rb") as opened, pytest.raises(pickle.UnpicklingError):
            torch.load(opened, weights_only=False)
        assert files == []
    assert torch.load is plain


def test_a_file_read_is_hashed_as_it_was_read(save: Callable[..., Path]) -> None:
    file = save({"a": torch.ones(1)})
    assert read_pickled(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
