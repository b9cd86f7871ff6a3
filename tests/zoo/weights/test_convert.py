"""State dicts of torch.save, turned into safetensors."""

import collections
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import zoo
from eval.errors import ReportError, SatZooError, UsageError
from tests.commandline import Done
from zoo.weights.convert import convert

NAME = "resnet8-silu-sat-digits"
SAID: dict[str, Any] = {
    "arch": "satzoo_resnet8_digits",
    "activation": "silu",
    "classes": 10,
    "size": 8,
    "mean": (0.5,),
    "std": (0.5,),
}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return zoo.load(NAME).net.state_dict()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(content: Any, name: str = "mine.pth", **how: Any) -> Path:
        torch.save(content, tmp_path / name, **how)
        return tmp_path / name

    return write


def test_what_is_converted_loads_and_computes_the_same(
    save: Callable[..., Path], state: dict[str, torch.Tensor]
) -> None:
    file = save(state)
    done = convert(file)
    assert done.path == file.with_suffix(".safetensors")
    assert done.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert done.source_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(zoo.load(done.path, **SAID)(x), zoo.load(NAME)(x))
    with safe_open(done.path, "pt") as opened:
        assert opened.metadata()["converted_from_sha256"] == done.source_sha256


@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "older pickle"])
def test_every_type_keeps_its_bits(save: Callable[..., Path], zipped: bool) -> None:
    bits = torch.randint(-(2**31), 2**31 - 1, (64,), dtype=torch.int32)
    there = {
        "f32": bits.clone().view(torch.float32),
        "f16": bits.clone().view(torch.float16),
        "bf16": bits.clone().view(torch.bfloat16),
        "f64": bits.clone().view(torch.float64),
        "i64": bits.clone().view(torch.int64),
        "u8": bits.clone().view(torch.uint8),
        "bool": bits > 0,
        "scalar": torch.tensor(3.5),
        "none": torch.zeros(0, 4),
        "parameter": nn.Parameter(torch.randn(3, 4)),
        "turned": torch.randn(4, 5).t(),
        "part": torch.randn(10)[2:5],
        "last": torch.randn(1, 2, 3, 4).to(memory_format=torch.channels_last),
    }
    found = load_file(convert(save(there, _use_new_zipfile_serialization=zipped)).path)
    assert found.keys() == there.keys()
    for name, value in there.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        a, b = (
            one.detach().contiguous().flatten().view(torch.uint8) for one in (found[name], value)
        )
        assert torch.equal(a, b), name


@pytest.mark.parametrize("key", ["state_dict", "model", "ema", "anything"])
def test_the_only_state_dict_in_a_checkpoint_is_found(
    save: Callable[..., Path], state: dict[str, torch.Tensor], key: str
) -> None:
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.rand(1, 2)).sum().backward()
    optimizer.step()
    rest = {"epoch": 3, "optimizer": optimizer.state_dict(), "name": "x", "args": {"lr": 0.1}}
    done = convert(save({**rest, key: collections.OrderedDict(state)}))
    assert done.key == key
    assert load_file(done.path).keys() == state.keys()


def test_of_several_state_dicts_one_must_be_named(
    save: Callable[..., Path], state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    other = {name: value + 1 for name, value in state.items()}
    file = save({"model": state, "ema": other, "deep": {"er": state}, "loss": torch.zeros(1)})
    with pytest.raises(
        UsageError, match=r"holds 4 state dicts, '' \(1 tensors\), model .* say which"
    ):
        convert(file)
    with pytest.raises(UsageError, match=r"`key` 'emma' is no state dict of .*there is .*ema"):
        convert(file, key="emma")
    assert convert(file, tmp_path / "a.safetensors", key="ema").n_tensors == len(state)
    assert convert(file, tmp_path / "b.safetensors", key="deep.er").key == "deep.er"
    done = convert(file, tmp_path / "c.safetensors", key="")
    assert (done.n_tensors, done.left_out) == (1, ("model", "ema", "deep"))


def test_a_prefix_is_taken_off_and_what_has_none_is_named(
    save: Callable[..., Path], state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    wrapped = {f"module.{name}": value for name, value in state.items()}
    file = save({**wrapped, "temperature": torch.ones(1), "epochs": 3})
    done = convert(file, strip_prefix="module.")
    assert load_file(done.path).keys() == state.keys()
    assert done.left_out == ("temperature", "epochs")
    assert convert(save(wrapped, "b.pth")).prefix == "module."
    with pytest.raises(
        UsageError, match=r"`strip_prefix` 'ema.': no tensor .* the first is 'module."
    ):
        convert(file, tmp_path / "x.safetensors", strip_prefix="ema.")


def test_tensors_that_share_memory_are_stored_each(save: Callable[..., Path]) -> None:
    one = torch.randn(4, 4)
    done = convert(save({"a": one, "tied": one, "view": one[:2], "own": torch.ones(1)}))
    assert done.shared == ("a", "tied", "view")
    found = load_file(done.path)
    assert torch.equal(found["tied"], one)
    assert torch.equal(found["view"], one[:2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds a list and no state dict"),
        (torch.ones(1), "holds a Tensor and no state dict"),
        ({"epoch": 3}, r"holds no tensors by name \(it has 'epoch'\)"),
        ({}, r"holds no tensors by name \(it has nothing\)"),
        ({1: torch.ones(1)}, "holds no tensors by name"),
        ({"a": torch.ones(2, 2).to_sparse()}, "tensor a is sparse"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "holds no plain weights"),
        ({"a": torch.ones(2).to(torch.float8_e4m3fn)}, "holds no plain weights"),
    ],
)
def test_what_holds_no_weights_is_told(
    save: Callable[..., Path], content: Any, message: str
) -> None:
    with pytest.raises(SatZooError, match=message):
        convert(save(content))


def test_what_is_there_is_replaced_only_where_it_was_named(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    file, there = save({"a": torch.ones(1)}), tmp_path / "mine.safetensors"
    there.write_bytes(b"somebody's")
    with pytest.raises(ReportError, match="is there already: name it with `out` to replace it"):
        convert(file)
    assert there.read_bytes() == b"somebody's"
    assert convert(file, there).path == there
    assert load_file(there)["a"] == 1
    for out, message in (
        (tmp_path / "x.pth", "must end in .safetensors"),
        (tmp_path / "no" / "x.safetensors", "the folder .* does not exist"),
        (tmp_path, "must end in .safetensors"),
    ):
        with pytest.raises(SatZooError, match=message):
            convert(file, out)
    with pytest.raises(UsageError, match="is called a safetensors file already"):
        convert(there)
    with pytest.raises(UsageError, match="is not a file"):
        convert(tmp_path / "absent.pth")
    link = tmp_path / "link.safetensors"
    link.symlink_to(file)
    with pytest.raises(UsageError, match="is the file itself"):
        convert(file, link)


def test_the_command_says_what_it_wrote_and_what_not(
    save: Callable[..., Path], state: dict[str, torch.Tensor], sat_zoo: Callable[..., Done]
) -> None:
    wrapped = {f"module.{name}": value for name, value in state.items()}
    file = save({"epoch": 1, "state_dict": {**wrapped, "module.steps": 7}})
    done = sat_zoo("convert", file)
    assert done.code == 0
    for said in (
        f"{len(state)} tensors under 'state_dict'",
        "module.steps",
        "--strip-prefix module.",
    ):
        assert said in done.out
    again = sat_zoo("convert", file)
    assert (again.code, "is there already: name it with --out" in again.err) == (1, True)
    out = file.with_name("other.safetensors")
    assert sat_zoo("convert", file, "--strip-prefix", "module.", "--out", out).code == 0
    assert zoo.load(out, **SAID).source == "file"


@pytest.mark.parametrize("command", ["eval", "show"])
def test_a_pickle_given_as_a_model_leads_to_the_command(
    sat_zoo: Callable[..., Done], command: str, tmp_path: Path
) -> None:
    done = sat_zoo(command, "some/mine.pth")
    assert done.code == 2
    assert "sat-zoo convert some/mine.pth" in done.err
    (tmp_path / "x.PT").write_bytes(b"")
    with pytest.raises(UsageError, match=r"sat-zoo convert .*x.PT"):
        zoo.load(NAME, weights=tmp_path / "x.PT")
