"""A weight file of which the user says the rest."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import zoo
from eval.errors import ModelError, UsageError, WeightsMismatch
from zoo.cards import ForeignCard
from zoo.foreign.stated import Stated
from zoo.registry import FAMILIES
from zoo.wanted import wanted

ARCH = "resnet10t"
SAID: dict[str, Any] = {
    "arch": ARCH,
    "activation": "silu",
    "classes": 5,
    "size": 32,
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.3, 0.4),
}


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=5, act_layer=nn.SiLU).eval()


@pytest.fixture(scope="module")
def file(net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    save_file(net.state_dict(), path)
    return path


def test_a_file_and_what_the_user_says_make_the_model(net: nn.Module, file: Path) -> None:
    model = zoo.load(str(file), **SAID)
    x = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(SAID[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    torch.testing.assert_close(model(x), net((x - mean) / std), atol=1e-5, rtol=1e-5)
    assert model.source == "file"
    assert isinstance(model.card, ForeignCard)
    assert model.card.name == "mine.safetensors"
    assert model.card.parameters == sum(p.numel() for p in net.parameters())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(module.training for module in model.modules())


def test_the_activation_is_the_one_that_was_said_or_the_networks_own(file: Path) -> None:
    x = torch.rand(2, 3, 32, 32)
    by_default, by_relu, by_silu = (
        zoo.load(str(file), **{**SAID, "activation": name})(x)
        for name in ("default", "relu", "silu")
    )
    torch.testing.assert_close(by_default, by_relu)
    assert not torch.allclose(by_silu, by_relu)


def test_a_network_of_the_zoo_is_built_from_a_file_too() -> None:
    name = "resnet8-silu-sat-digits"
    card, path = zoo.card(name), FAMILIES / "digits" / f"{name}.safetensors"
    model = zoo.load(
        str(path), arch=card.arch, arch_args=card.arch_args, activation="silu", classes=10,
        size=8, mean=card.input.mean, std=card.input.std,
    )  # fmt: skip
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(model(x), zoo.load(name)(x), atol=0, rtol=0)


def test_planning_and_random_weights_need_no_memory_and_no_file_content(file: Path) -> None:
    assert zoo.load(str(file), **SAID, device="meta").source is None
    assert zoo.load(str(file), **SAID, pretrained=False).source is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {},
            r"mine.safetensors holds only tensors and nobody says its arch, n_classes, size, mean,"
            r" std: state them, for example `arch='resnet50'` `classes=10` `size=224",
        ),
        (
            {**SAID, "mean": None, "size": None},
            r"nobody says its size, mean: state them, for example `size=224` `mean=\(0.485, 0.456",
        ),
        ({**SAID, "arch": "resnet10"}, "unknown architecture of mine.safetensors 'resnet10'"),
        ({**SAID, "arch": "hf-hub:a/b"}, "unknown architecture of mine.safetensors 'hf-hub:a/b'"),
        ({**SAID, "activation": "silo"}, "unknown activation of mine.* 'silo': did you mean silu"),
        ({**SAID, "classes": 1}, "1 classes are not possible"),
        ({**SAID, "size": 0}, "size 0 is not possible: give the edge in pixels"),
        ({**SAID, "mean": (0.5,)}, "mean has 1 and std has 3 values: give one for each channel"),
        ({**SAID, "mean": (0.5,) * 4, "std": (1.0,) * 4}, "mean has 4 and std has 4 values"),
        ({**SAID, "std": (0.2, 0.0, 0.2)}, r"std \(0.2, 0.0, 0.2\) divides: every value must be"),
        ({**SAID, "mean": (0.5, float("nan"), 1)}, "mean .* is not a number for each channel"),
        ({**SAID, "interpolation": "bicubic"}, "interpolation and crop_pct belong together"),
        (
            {**SAID, "interpolation": "cubic", "crop_pct": 0.9},
            "interpolation 'cubic' is not possible",
        ),
        ({**SAID, "interpolation": "box", "crop_pct": 90}, "crop_pct 90 is not possible"),
        ({**SAID, "weights": "x.safetensors"}, "`weights` x.safetensors: .* is a place of weights"),
    ],
)
def test_what_is_not_said_or_cannot_be_is_named(
    file: Path, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        zoo.load(str(file), **said)


def test_an_argument_that_the_network_does_not_know_is_one_sentence(file: Path) -> None:
    with pytest.raises(ModelError, match=f"timm cannot build {ARCH} with .*'wings': 2.*`evaluate"):
        zoo.load(str(file), **SAID, arch_args={"wings": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("extra", "the file has the tensor 'fc.extra' and the network does not"),
        ("missing", "the network has the tensor 'fc.bias' and the file does not"),
        ("shape", r"tensor 'fc.bias' has shape \(7,\), the network needs \(5,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    file: Path, change: str, message: str, tmp_path: Path
) -> None:
    tensors = load_file(file)
    if change == "missing":
        del tensors["fc.bias"]
    else:
        name, size = ("fc.extra", 1) if change == "extra" else ("fc.bias", 7)
        tensors[name] = torch.zeros(size)
    path = tmp_path / "w.safetensors"
    save_file(tensors, path)
    with pytest.raises(WeightsMismatch, match=f"w.safetensors does not fit: {message}"):
        zoo.load(str(path), **SAID)


def test_a_truncated_file_is_refused(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsMismatch, match=r"w\.safetensors cannot .* no safetensors file"):
        zoo.load(str(path), **SAID)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such.safetensors", "no/such.safetensors is not a file: name a safetensors file"),
        ("./weights.pt", "weights.pt is no safetensors file, and no other format is opened"),
        ("pytorch_model.bin", "is no safetensors file, and no other format is opened"),
        ("timm/resnet18.a1_in1k", "is no model: write hf-hub:ORG/NAME for a model of the Hugging"),
        ("hf_hub:timm/x", "'hf_hub:timm/x' is no model: write hf-hub:ORG/NAME"),
        ("hf-hub:resnet18", "names no repository: write hf-hub:ORG/NAME, or hf-hub:ORG/NAME@REV"),
        ("hf-hub:a/../../b", "names no repository"),
        ("hf-hub:a/b@../c", "names no repository"),
        ("hf-hub:a/b@", "names no repository"),
    ],
)
def test_a_name_that_is_no_model_says_how_to_write_one(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wanted(name, Stated())


def test_what_a_card_says_is_not_for_the_user_to_say() -> None:
    with pytest.raises(UsageError, match=r"`size` 32: resnet8-.* is a model of the zoo, and its"):
        zoo.load("resnet8-silu-sat-digits", size=32)


def test_pictures_are_resized_only_as_the_user_says(file: Path) -> None:
    assert wanted(str(file), stated()).card.input.preprocess == "none"
    spec = wanted(str(file), stated(interpolation="bilinear", crop_pct=0.9)).card.input
    assert (spec.preprocess, spec.interpolation, spec.crop_pct) == ("timm-eval", "bilinear", 0.9)


def stated(**more: Any) -> Stated:
    same = {key: value for key, value in SAID.items() if key != "classes"}
    return Stated(n_classes=5, **same, **more)
