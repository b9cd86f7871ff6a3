"""Weight files whose header says too much, or whose numbers are of another kind."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import zoo
from eval.errors import WeightsMismatch
from eval.files.limits import VARIABLE
from tests.bounded import refused
from zoo.registry import FAMILIES
from zoo.weights.file import WeightFile, load_file

NAME = "resnet8-silu-sat-digits"
CONTENT = (FAMILIES / "digits" / f"{NAME}.safetensors").read_bytes()


def file_of(header: Any, data: bytes = b"") -> WeightFile:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return WeightFile(Path("w.safetensors"), len(text).to_bytes(8, "little") + text + data)


def tensor(dtype: str = "F32", shape: Any = (1,), place: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": place}


def many(n: int) -> bytes:
    one = ',"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return b"{" + "".join(one % k for k in range(n))[1:].encode() + b"}"


SOON_S = 10
"""Of a processor, of any age: less than a second of one of today."""


@pytest.mark.parametrize("n", [100_002, 10**6])
def test_a_million_tensors_are_refused_soon(n: int) -> None:
    file = file_of(many(n))
    started = time.process_time()
    with pytest.raises(WeightsMismatch, match=r"w\.safetensors cannot be read \(it has [\d,]+ "):
        file.weights()
    assert time.process_time() - started < SOON_S


def test_a_million_tensors_are_no_more_when_the_limit_of_the_header_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "header_bytes=1e9")
    file = file_of(many(10**6))
    started = time.process_time()
    with pytest.raises(WeightsMismatch, match=r"it has 999,999 tensors, or more, more than the"):
        file.weights()
    assert time.process_time() - started < SOON_S


HEADERS: dict[str, Any] = {
    "no JSON": b"<html>",
    "a list": [1],
    "deep": b"[" * 10**5,
    "digits": b'{"a":{"dtype":"F32","shape":[1' + b"0" * 500 + b'],"data_offsets":[0,4]}}',
    "NaN": b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}',
    "a name twice": b'{"a":%b,"a":%b}' % ((json.dumps(tensor()).encode(),) * 2),
    "a number for a tensor": {"a": 3},
    "no type": {"a": {"shape": [1], "data_offsets": [0, 4]}},
    "a type that is a number": {"a": {**tensor(), "dtype": 7}},
    "an unknown type": {"a": tensor("F33")},
    "a negative shape": {"a": tensor(shape=[-1])},
    "a shape that is a number": {"a": tensor(shape=1)},
    "a shape that wraps around": {"a": tensor(shape=[2**32, 2**32])},
    "a thousand axes": {"a": tensor(shape=[1] * 1000)},
    "a negative place": {"a": tensor(place=[-4, 0])},
    "a place behind the end": {"a": tensor(place=[4, 8])},
    "a place that ends before it begins": {"a": tensor(place=[4, 0])},
    "places that overlap": {"a": tensor(), "b": tensor()},
    "a gap": {"a": tensor(shape=[0], place=[0, 0])},
    "metadata that is a list": {"__metadata__": [], "a": tensor(), "b": 3},
    "metadata that is no text": {"__metadata__": {"format": {}}, "a": tensor()},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_cannot_be_is_one_sentence(header: Any) -> None:
    with refused(WeightsMismatch, r"^w\.safetensors cannot be read \(.*no safetensors file"):
        file_of(header, bytes(4)).weights()


@pytest.mark.parametrize("size", [0, 7, 8, 9, 2**25 + 1, 2**63, 2**64 - 1])
def test_a_header_that_is_longer_than_the_file_is_one_sentence(size: int) -> None:
    with refused(WeightsMismatch, r"w\.safetensors cannot be read"):
        WeightFile(Path("w.safetensors"), size.to_bytes(8, "little")[:size]).weights()
    with refused(WeightsMismatch, r"w\.safetensors cannot be read"):
        WeightFile(Path("w.safetensors"), size.to_bytes(8, "little") + b"{}").weights()


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\r\n", "\u202e", "x" * 10**6])
def test_a_name_of_a_tensor_is_told_in_one_line(name: str) -> None:
    with refused(WeightsMismatch, r"which holds no plain weights"):
        file_of({name: tensor("F8_E4M3")}).weights()


def test_what_never_ends_is_no_weight_file(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("zero", "fifo", "folder"):
        with refused(WeightsMismatch, rf"{name} cannot be read"):
            load_file(tmp_path / name)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**12)
    with refused(WeightsMismatch, r"large cannot be read \(it has 1,000,000,000,000 bytes"):
        load_file(tmp_path / "large")


KINDS = [
    *(torch.complex64, torch.bool, torch.int8, torch.uint8, torch.int32, torch.int64),
    *(torch.float8_e4m3fn, torch.float8_e5m2),
]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("name", ["conv1.weight", "bn1.running_var", "fc.bias"])
def test_numbers_of_another_kind_are_never_made_into_weights(
    tmp_path: Path, dtype: torch.dtype, name: str
) -> None:
    tensors = load(CONTENT)
    tensors[name] = tensors[name].to(dtype)
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(tensors))
    with refused(WeightsMismatch, "another kind are never turned|holds no plain weights"):
        zoo.load(NAME, weights=path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.float16])
def test_a_counter_of_another_kind_is_left_out(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = load(CONTENT)
    own = zoo.load(NAME, pretrained=False).net.state_dict()
    counter = next(name for name in own if name.endswith("num_batches_tracked"))
    tensors[counter] = torch.tensor(1).to(dtype)
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(tensors))
    assert zoo.load(NAME, weights=path).net.state_dict()[counter] == own[counter] == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_real_numbers_of_another_width_are_weights(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in load(CONTENT).items()
    }
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(tensors))
    assert zoo.load(NAME, weights=path).net.fc.weight.dtype == torch.float32
