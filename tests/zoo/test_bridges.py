"""Models of ours, and any other, as foolbox and ART take them: the same answers and gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from eval.errors import ModelError, UsageError
from tests.bridged import bridged
from zoo import bridges

NAME = "resnet8-silu-sat-digits"


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return zoo.load(NAME)


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    return zoo.images(NAME, n=16).tensors()


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(nn.functional.cross_entropy(model(leaf), y), leaf)
    return grad


def test_foolbox_gets_our_answers_and_gradients_to_the_bit(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    bridged("foolbox")
    x, y = images
    theirs = zoo.to_foolbox(model)
    assert (theirs.bounds.lower, theirs.bounds.upper) == (0, 1)
    assert theirs.data_format == "channels_first"
    assert torch.equal(theirs(x), model(x))
    assert torch.equal(gradient(theirs, x, y), gradient(model, x, y))
    assert torch.equal(zoo.to_foolbox(NAME)(x), model(x))  # by its name


def test_an_attack_of_foolbox_runs_from_end_to_end(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    foolbox: Any = bridged("foolbox")
    x, y = images
    attack = foolbox.attacks.LinfPGD(steps=20)
    _, x_adv, success = attack(zoo.to_foolbox(model), x, y, epsilons=0.3)
    assert torch.equal(success, model(x_adv).argmax(1) != y)
    assert bool(success.any())
    assert float((x_adv - x).abs().max()) <= 0.3 + 1e-6


def test_art_gets_our_answers_and_gradients(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    bridged("art")
    x, y = images
    theirs = zoo.to_art(model)
    assert theirs.input_shape == (1, 8, 8)
    assert theirs.nb_classes == 10
    assert theirs.channels_first
    assert theirs.clip_values.tolist() == [0.0, 1.0]
    assert np.array_equal(theirs.predict(x.numpy()), model(x).numpy())
    labels = nn.functional.one_hot(y, 10).float()
    found = theirs.loss_gradient(x.numpy(), labels.numpy())
    assert np.array_equal(found, gradient(model, x, y).numpy())


def test_an_attack_of_art_runs_from_end_to_end(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    bridged("art")
    from art.attacks.evasion import ProjectedGradientDescent

    x, y = images
    attack = ProjectedGradientDescent(
        zoo.to_art(model), eps=3 / 16, eps_step=3 / 64, max_iter=10, verbose=False
    )
    x_adv = torch.from_numpy(attack.generate(x.numpy(), y.numpy()))
    assert int((model(x_adv).argmax(1) != y).sum()) > 0
    assert float((x_adv - x).abs().max()) <= 3 / 16 + 1e-6


class Normalising(nn.Sequential):
    """Its forward does more than its modules: who calls these one by one gets other answers."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(2 * x - 1)


def own_models() -> dict[str, nn.Module]:
    linear = nn.Linear(12, 3)
    whole = nn.Sequential(nn.Flatten(), linear)
    return {
        "a plain one": whole,
        "a sequence with a forward of its own": Normalising(nn.Flatten(), linear),
        "one in float64": nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double(),
        "one whose answer is a list of one": InList(whole),
    }


class InList(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.inner(x)]


@pytest.mark.parametrize("which", own_models())
def test_any_module_answers_the_same(which: str) -> None:
    bridged("foolbox")
    bridged("art")
    model = own_models()[which].eval()
    x = torch.rand(5, 3, 2, 2)
    dtype = next(model.parameters()).dtype
    wanted = model(x.to(dtype))
    logits = (wanted[0] if isinstance(wanted, list) else wanted).detach()
    assert torch.equal(zoo.to_foolbox(model)(x), logits)
    theirs = zoo.to_art(model, input_shape=(3, 2, 2))
    assert theirs.nb_classes == 3
    assert np.array_equal(theirs.predict(x.numpy()), logits.float().numpy())


def test_what_cannot_be_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    bridged("art")
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    with pytest.raises(UsageError, match="input_shape is missing"):
        zoo.to_art(net)
    with pytest.raises(UsageError, match=r"is not \(channels, height, width\)"):
        zoo.to_art(net, input_shape=(12,))
    with pytest.raises(ModelError, match="does not take images of shape"):
        zoo.to_art(net, input_shape=(3, 4, 4))
    with pytest.raises(UsageError, match="`n_classes` is 10, and the model returns 3"):
        zoo.to_art(net, input_shape=(3, 2, 2), n_classes=10)
    with pytest.raises(ModelError, match="train mode"):
        zoo.to_foolbox(nn.Linear(2, 2).train())
    with pytest.raises(UsageError, match="to one device"):
        zoo.to_foolbox(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta")).eval())
    with pytest.raises(UsageError, match=r"give a torch\.nn\.Module"):
        zoo.to_foolbox(lambda x: x)  # type: ignore[arg-type]


def test_a_library_that_is_missing_or_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(bridges, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install 'sat-zoo\[bridges\]'"):
        zoo.to_art(NAME)

    def broken(name: str) -> None:
        raise AttributeError("numpy has no attribute bool8")

    monkeypatch.setattr(bridges, "import_module", broken)
    with pytest.raises(UsageError, match=r"cannot be imported \(numpy has no attribute bool8\)"):
        zoo.to_foolbox(NAME)
