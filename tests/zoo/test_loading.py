from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo
from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from zoo.registry import FAMILIES
from zoo.weights import find as weights_module

NAME = "resnet8-silu-sat-digits"
BUNDLED = FAMILIES / "digits" / f"{NAME}.safetensors"


@pytest.mark.parametrize("name", ["resnet8-silu-sat-digits", "resnet8-relu-at-digits"])
def test_bundled_models_load_frozen_and_in_eval_mode(name: str) -> None:
    model = zoo.load(name)
    assert model.source == "bundled"
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.parameters())
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    "broken",
    [
        "store/resnet8-silu-sat-digits/provenance.json",  # an entry without weights
        "store/resnet8-silu-sat-digits/model.safetensors",  # one without its provenance
        "pins.json",
    ],
)
def test_bundled_weights_need_neither_store_nor_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    (tmp_path / broken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / broken).write_text("{")
    assert zoo.load(NAME).source == "bundled"
    with pytest.raises(SatZooError):
        list(weights_module.copies(zoo.card(NAME)))


def test_normalisation_is_inside() -> None:
    model = zoo.load(NAME)
    x = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(model(x), model.net(2 * x - 1))


def test_a_weights_file_replaces_the_models_own(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({k: torch.zeros_like(v) for k, v in load_file(BUNDLED).items()}, path)
    model = zoo.load(NAME, weights=path)
    assert model.source == "file"
    assert float(model(torch.rand(1, 1, 8, 8)).abs().sum()) == 0


def test_without_pretrained_weights_the_network_is_random() -> None:
    assert zoo.load("resnet18-w16-silu-sat-cifar10", pretrained=False).source is None


def test_the_largest_model_is_planned_without_memory() -> None:
    model = zoo.load("efficientnet-l1-sat", device="meta")
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert sum(p.numel() for p in model.parameters()) == zoo.card("efficientnet-l1-sat").parameters


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown model 'resnet8-slu-sat-digits': did you mean "):
        zoo.load("resnet8-slu-sat-digits")


def test_weights_that_are_nowhere_say_what_will_work() -> None:
    with pytest.raises(WeightsUnavailable, match=r"not on this .* `weights=FILE") as caught:
        zoo.load("resnet18-gelu-sat-cifar10")
    assert caught.value.exit_code == 3


def test_a_missing_weights_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"`weights` nope\.safetensors is not a file"):
        zoo.load(NAME, weights="nope.safetensors")


def spoiled(change: str) -> dict[str, Tensor]:
    tensors = load_file(BUNDLED)
    if change == "extra":
        tensors["fc.extra"] = torch.zeros(1)
    elif change == "missing":
        del tensors["fc.bias"]
    else:
        tensors["fc.bias"] = torch.zeros(7)
    return tensors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("extra", "the file has the tensor 'fc.extra' and the network does not"),
        ("missing", "the network has the tensor 'fc.bias' and the file does not"),
        ("shape", r"tensor 'fc.bias' has shape \(7,\), the network needs \(10,\)"),
    ],
)
def test_weights_of_another_shape_are_refused(change: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(spoiled(change), path)
    with pytest.raises(WeightsMismatch, match=f"{NAME}: .*w.safetensors does not fit: {message}"):
        zoo.load(NAME, weights=path)


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_a_truncated_file_is_refused(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(BUNDLED.read_bytes()[:keep])
    with pytest.raises(WeightsMismatch, match=r"w\.safetensors cannot .* no safetensors file"):
        zoo.load(NAME, weights=path)


def test_a_changed_bundled_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(BUNDLED.read_bytes())
    content[-1] ^= 1
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / BUNDLED.name).write_bytes(content)
    monkeypatch.setattr(weights_module, "FAMILIES", tmp_path)
    with pytest.raises(
        WeightsMismatch, match=r"has sha256 .*, not .* as promised: the file was changed; reinstall"
    ):
        zoo.load(NAME)
