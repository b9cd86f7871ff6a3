"""Small networks behind the preprocessing of the ImageNet models, with their golden logits."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from zoo import networks, registry
from zoo.cards import InputSpec, ModelCard
from zoo.golden.file import Golden
from zoo.golden.record import record
from zoo.model import ZooModel
from zoo.official.evidence.golden import of
from zoo.weights.store import Store

WAYS = {
    "small-opencv": {"preprocess": "resnet-opencv"},
    "small-tf": {"preprocess": "efficientnet-tf"},
    "small-timm": {"preprocess": "timm-eval", "interpolation": "bilinear", "crop_pct": 0.875},
}


def small_card(name: str) -> ModelCard:
    half = (0.5, 0.5, 0.5)
    return ModelCard(
        name=name,
        family="small",
        arch="satzoo_resnet18_cifar",
        arch_args={"width": 4},
        activation="silu",
        method="sat",
        dataset="imagenet",
        classes=12,
        input=InputSpec(size=32, mean=half, std=half, **WAYS[name]),  # type: ignore[arg-type]
        threat=None,
        parameters=1,
    )


@cache
def made(name: str) -> tuple[dict[str, Tensor], Golden]:
    """Weights that look trained, and what they answer."""
    card = small_card(name)
    torch.manual_seed(0)
    net = networks.build(card)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    model = ZooModel(net.eval(), card, None).requires_grad_(False)
    return net.state_dict(), record(model, "0" * 64)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], ZooModel]:
    """From a name of `WAYS` to a model in the store, with golden logits, as `zoo.load` gives it."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    cards = {**registry._cards(), **{name: small_card(name) for name in WAYS}}
    monkeypatch.setattr(registry, "_cards", lambda: cards)

    def make(name: str) -> ZooModel:
        state, found = made(name)
        Store().put(name, state, {}, golden=partial(of, found=found))
        return zoo.load(name)

    return make
