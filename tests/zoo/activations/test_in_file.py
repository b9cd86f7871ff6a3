"""The activation of a file's network: the architecture's own, unless somebody says another."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import zoo
from eval.errors import UsageError, WeightsMismatch
from zoo import archs
from zoo.foreign.stated import Stated, activation_of
from zoo.registry import FAMILIES
from zoo.wanted import wanted
from zoo.weights.store import Store

DIGITS = FAMILIES / "digits" / "resnet8-silu-sat-digits.safetensors"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def said_of(arch: str, **more: Any) -> dict[str, Any]:
    return {"arch": arch, "classes": 5, "size": 32, "mean": MEAN, "std": STD, **more}


def saved(net: nn.Module, path: Path, **metadata: str) -> str:
    save_file(net.state_dict(), path, metadata)
    return str(path)


@pytest.mark.parametrize(
    "arch", ["resnet10t", "mobilenetv3_small_050", "efficientnet_b0", "regnetx_002"]
)
def test_without_a_word_a_network_has_the_activation_it_was_made_with(
    arch: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = timm.create_model(arch, num_classes=5).eval()
    path = saved(net, tmp_path / "w.safetensors")
    x = torch.rand(2, 3, 32, 32)
    model = zoo.load(path, **said_of(arch))
    assert model.card.activation == "default"
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    torch.testing.assert_close(model(x), net((x - mean) / std), atol=1e-5, rtol=1e-5)
    explicit = zoo.load(path, **said_of(arch, activation="default"))
    torch.testing.assert_close(explicit(x), model(x), atol=0, rtol=0)


def test_our_efficientnets_are_built_with_silu(tmp_path: Path) -> None:
    archs.register()
    torch.manual_seed(0)
    net = timm.create_model("satzoo_efficientnet_b0", num_classes=5).eval()
    path = saved(net, tmp_path / "w.safetensors")
    model = zoo.load(path, **said_of("satzoo_efficientnet_b0"))
    assert model.card.activation == "silu"
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(model.net(x), net(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "arch",
    [
        "satzoo_resnet50",
        "satzoo_resnext152_32x8d",
        "satzoo_resnet8_digits",
        "satzoo_resnet18_cifar",
        "satzoo_efficientnet_b0_cifar",
    ],
)
@pytest.mark.parametrize("activation", [None, "default"])
def test_an_architecture_whose_models_differ_in_it_has_none_of_its_own(
    arch: str, activation: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    path.touch()
    used = sorted({zoo.card(n).activation for n in zoo.list_models() if zoo.card(n).arch == arch})
    with pytest.raises(UsageError, match=f"{arch} has no activation of its own, .*") as caught:
        zoo.load(str(path), **said_of(arch, activation=activation))
    assert f"`activation='{used[0]}'` (models of the zoo with it: {', '.join(used)})" in str(
        caught.value
    )


def test_every_architecture_of_ours_has_one_or_none() -> None:
    archs.register()
    for arch in timm.list_models("satzoo_*"):
        used = {zoo.card(n).activation for n in zoo.list_models() if zoo.card(n).arch == arch}
        try:
            assert {activation_of(Stated(arch=arch), "w")} == used
        except UsageError:
            assert arch.startswith("satzoo_resne") or len(used) > 1


def test_two_activations_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.touch()
    said = said_of("resnet10t", activation="silu", arch_args={"act_layer": "relu"})
    both = r"`activation='silu'` and `arch_args=\{'act_layer': 'relu'\}` name"
    with pytest.raises(UsageError, match=both):
        zoo.load(str(path), **said)
    alone = Stated(
        arch="resnet10t", arch_args={"act_layer": "gelu"}, n_classes=5, size=32, mean=MEAN, std=STD
    )
    assert wanted(str(path), alone).card.activation == "gelu"


@pytest.mark.parametrize(
    ("metadata", "activation"),
    [
        ({"activation": "silu"}, None),
        ({"activation": "silu"}, "relu"),
        ({"act_layer": "torch.nn.SiLU"}, "gelu"),
        ({"activation": "swish"}, "default"),
    ],
)
def test_metadata_that_say_another_activation_are_not_passed_over(
    metadata: dict[str, str], activation: str | None, tmp_path: Path
) -> None:
    net = timm.create_model("resnet10t", num_classes=5, act_layer=nn.SiLU)
    path = saved(net, tmp_path / "w.safetensors", **metadata)
    with pytest.raises(WeightsMismatch, match=r"its metadata .*another net.*`activation='silu'`"):
        zoo.load(path, **said_of("resnet10t", activation=activation))
    assert zoo.load(path, **said_of("resnet10t", activation="silu"))


def test_a_file_of_the_zoo_is_known_by_its_bytes_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """timm's `resnet50` has the very tensors of our `satzoo_resnet50`, and ReLU."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    state = zoo.load("resnet50-silu-sat", pretrained=False).net.state_dict()
    path = tmp_path / "mine.safetensors"
    path.write_bytes(Store().put("resnet50-silu-sat", state, {}).read_bytes())
    said = {"arch": "resnet50", "classes": 1000, "size": 32, "mean": MEAN, "std": STD}
    with pytest.raises(WeightsMismatch, match=r"card of resnet50-silu-sat, .* is silu, and nobody"):
        zoo.load(str(path), **said)
    assert zoo.load(str(path), **said, activation="silu").source == "file"


def test_who_asks_for_another_activation_in_so_many_words_gets_it() -> None:
    card = zoo.card("resnet8-silu-sat-digits")
    said: dict[str, Any] = {
        "arch": card.arch, "arch_args": card.arch_args, "classes": 10, "size": 8,
        "mean": card.input.mean, "std": card.input.std,
    }  # fmt: skip
    with pytest.raises(WeightsMismatch, match="does not answer as where its weights were made"):
        zoo.load(str(DIGITS), **said, activation="relu")
    model = zoo.load(str(DIGITS), **said, activation="relu", check=False)
    assert model.card.activation == "relu"


def test_metadata_are_held_against_a_card_too(tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    save_file(load_file(DIGITS), path, {"activation": "silu"})
    assert zoo.load("resnet8-silu-sat-digits", weights=path).source == "file"
    with pytest.raises(WeightsMismatch, match="is silu, and resnet8-relu-at-digits has relu"):
        zoo.load("resnet8-relu-at-digits", weights=path)
