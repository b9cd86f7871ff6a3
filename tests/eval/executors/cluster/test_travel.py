"""A model that comes to a worker is the driver's, or the worker is none of the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest
import torch
from torch import Tensor, nn

from eval.data import ImageSet
from eval.definition import travelled_sha256
from eval.errors import ModelError
from eval.executors.cluster.travel import Factory, ModelParcel
from tests.eval.executors.cluster.fakes import Fake
from tests.eval.executors.cluster.fleets import asked, only, outcome

MODULE = """
import torch
from torch import nn

CALLS, ALTERS = [], {}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.scale, self.cache = nn.Linear(12, 3), 1.0, None
        self.register_buffer("noise", torch.rand(12), persistent=False)

    def forward(self, x):
        self.cache = x.flatten(1) + self.noise
        return self.linear(self.cache) * self.scale


def build():
    CALLS.append(1)
    net = Net()
    ALTERS.get(len(CALLS), lambda net: None)(net)
    return net
"""


def seldom(module: nn.Module, _: object, out: Tensor) -> Tensor:
    return out.where(out < 99, -out)


def hook(net: nn.Module) -> nn.Module:
    net.register_forward_hook(seldom)
    return net


def activation(net: nn.Module) -> nn.Module:
    net[2] = nn.Hardswish()  # type: ignore[operator]
    return net


def setting(net: nn.Module) -> nn.Module:
    net[1].eps = 1.001e-5  # type: ignore[index]
    return net


def buffer(net: nn.Module) -> nn.Module:
    net.register_buffer("mean", torch.ones(3), persistent=False)
    return net


OTHERS = [hook, activation, setting, buffer]


@pytest.mark.parametrize("change", OTHERS)
def test_a_network_with_the_same_weights_that_is_another_is_left_out(
    tiny_net: nn.Module,
    data: ImageSet,
    known_alone: tuple[object, ...],
    change: Callable[[nn.Module], nn.Module],
) -> None:
    fake = Fake(3, only(1, spoils=change))
    assert outcome(tiny_net, asked(data), fake) == known_alone
    (message,) = fake.messages
    assert "is left out: the model has the same weights here" in message


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "nets_of_somebody.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import nets_of_somebody  # type: ignore[import-not-found]

    yield nets_of_somebody
    del sys.modules["nets_of_somebody"]


def parcel(net: nn.Module) -> ModelParcel:
    return ModelParcel.of(net, Factory("nets_of_somebody:build"), cloudpickle.dumps)


def test_a_factory_gives_the_drivers_model_with_the_buffers_that_are_not_saved(
    module: ModuleType,
) -> None:
    net, x = module.build().eval(), torch.rand(5, 3, 2, 2)
    expected = net(x)  # from now on it holds a cache, as no fresh one does
    assert torch.equal(parcel(net).unpacked(lambda _: None)(x), expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda net: setattr(net, "scale", 0.5),
        lambda net: setattr(net, "helper", nn.ReLU()),
        lambda net: net.register_forward_hook(seldom) and None,
    ],
)
def test_a_factory_that_makes_another_network_elsewhere_is_found_out(
    module: ModuleType, change: Callable[[nn.Module], None]
) -> None:
    sent = parcel(module.build().eval())
    module.ALTERS[len(module.CALLS) + 1] = change
    with pytest.raises(ModelError, match="other code or settings"):
        sent.unpacked(lambda _: None)
    sent.unpacked(lambda _: None)


def test_files_that_lie_elsewhere_make_no_other_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "nets_of_somebody.py").write_text(MODULE)
        with monkeypatch.context() as patched:
            patched.syspath_prepend(folder)
            torch.manual_seed(0)
            net = Factory("nets_of_somebody:build")()
            digests.append(travelled_sha256(net))
            del sys.modules["nets_of_somebody"]
    assert digests[0] == digests[1]
