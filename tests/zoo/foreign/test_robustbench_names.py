"""Names and cards of models of RobustBench: nothing here loads weights."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from eval.errors import ModelError, UsageError
from tests.bridged import bridged
from zoo.foreign import robustbench as bridge
from zoo.preprocess import for_card
from zoo.wanted import wanted

NAME = "robustbench:cifar10/Linf/Carmon2019Unlabeled"


@pytest.fixture(autouse=True, scope="module")
def package() -> None:
    bridged("robustbench")


def test_a_card_says_what_the_package_evaluates_with() -> None:
    info = wanted(NAME).card
    assert (info.name, info.dataset, info.classes, info.input.size) == (NAME, "cifar10", 10, 32)
    assert info.threat is not None
    assert (info.threat.norm, info.threat.eps) == ("Linf", "8/255")


@pytest.mark.parametrize(
    ("name", "norm", "eps", "size", "preprocess"),
    [
        ("cifar10/L2/Engstrom2019Robustness", "L2", "0.5", 32, "none"),
        ("cifar100/Linf/Wu2020Adversarial", "Linf", "8/255", 32, "none"),
        ("imagenet/Linf/Salman2020Do_R18", "Linf", "4/255", 224, "timm-eval"),
        ("imagenet/Linf/Wong2020Fast", "Linf", "4/255", 288, "center-crop"),
    ],
)
def test_threat_and_preprocessing_are_those_of_the_leaderboard(
    name: str, norm: str, eps: str, size: int, preprocess: str
) -> None:
    info = wanted(f"robustbench:{name}").card
    assert info.threat is not None
    assert (info.threat.norm, info.threat.eps) == (norm, eps)
    assert (info.input.size, info.input.preprocess) == (size, preprocess)


@pytest.mark.parametrize("name", ["Salman2020Do_R18", "Wong2020Fast"])
@pytest.mark.parametrize("shape", [(375, 500), (500, 333), (290, 290), (200, 640), (256, 257)])
def test_pixels_are_those_of_the_packages_own_transforms(name: str, shape: tuple[int, int]) -> None:
    from robustbench.data import PREPROCESSINGS

    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    info = wanted(f"robustbench:imagenet/Linf/{name}").card
    theirs = PREPROCESSINGS[bridge._catalogue()["imagenet", "Linf"][name]["preprocessing"]](picture)
    ours = torch.from_numpy(for_card(info)(picture).copy()).permute(2, 0, 1).float() / 255
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "cifar10/Linf/Carmon2019Unlabelled",
            "unknown model of .*cifar10/Linf.*mean Carmon2019Unlabeled",
        ),
        (
            "cifar10/L1/Wong2020Fast",
            "unknown threat model of robustbench:cifar10 'L1': did you mean L2",
        ),
        ("imagenet/L2/Salman2020Do_R18", "unknown threat model of robustbench:imagenet 'L2'"),
        ("cifar11/Linf/X", "unknown data set of robustbench: 'cifar11'"),
        ("cifar10/corruptions/Standard", "corruptions are no ball around an image"),
        ("Wong2020Fast", "names no model: write robustbench:DATA/THREAT/NAME"),
        ("cifar10/Linf/a/b", "names no model"),
        ("cifar10/Linf/../../x", "names no model"),
    ],
)
def test_a_name_that_is_none_is_told_with_what_is_near(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        zoo.load(f"robustbench:{name}")


def test_what_the_package_says_cannot_be_said_otherwise() -> None:
    with pytest.raises(UsageError, match=r"`mean` .*built, filled and fed as its library says"):
        zoo.load(NAME, mean=(0.5, 0.5, 0.5))
    with pytest.raises(UsageError, match=r"`weights` x.safetensors: .* is a place of weights"):
        zoo.load(NAME, weights="x.safetensors")


def test_without_weights_it_is_a_network_for_planning() -> None:
    assert zoo.load(NAME, pretrained=False, device="meta").source is None
    with pytest.raises(UsageError, match="only with its weights"):
        zoo.load("robustbench:imagenet/Linf/Standard_R50", pretrained=False)


@pytest.mark.slow
def test_every_network_is_built_without_what_the_package_asks_for_beside() -> None:
    names = [
        (*key, name)
        for key, models in bridge._catalogue().items()
        for name in models
        if key[1] != "corruptions" and name != "Standard_R50"
    ]
    assert len(names) > 100
    for name in names:
        zoo.load(f"robustbench:{'/'.join(name)}", pretrained=False, device="meta")
    assert not {"geotorch", "torchdiffeq", "gdown"} & set(sys.modules)


@pytest.mark.parametrize("missing", ["robustbench", "pkg_resources"])
def test_a_package_that_is_not_there_is_told_with_how_to_install_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Any:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(bridge, "_catalogue", absent)
    with pytest.raises(
        UsageError, match=rf"{missing} is not installed: pip install .*setuptools<81"
    ):
        wanted(NAME)


def test_a_package_that_fails_on_import_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("bad day\nfor imports")

    monkeypatch.setattr(bridge, "_catalogue", broken)
    with pytest.raises(ModelError, match=r"cannot be imported .RuntimeError: bad day"):
        wanted(NAME)
