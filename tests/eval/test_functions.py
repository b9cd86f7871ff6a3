"""A model that is no module: attacked like one, with all that is not known of it said."""

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from eval import attack, curve, evaluate
from eval.data import ImageSet
from eval.errors import SatZooError, UsageError
from eval.functions import FunctionModel, as_module

QUICK = {"attack": "pgd-5", "eps": "1/20"}

net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 3))
unrelated = nn.Dropout()


class Predictor:
    """No module, and has a network."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def predict(self, x: Tensor) -> Tensor:
        return self.network(x)

    def __call__(self, x: Tensor) -> Tensor:
        return self.network(x)


def called(x: Tensor) -> Tensor:
    return net(x)


def function_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        return network(x)

    return function


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


FORMS: dict[str, Callable[[nn.Module], Callable[[Tensor], Any]]] = {
    "a closure": function_of,
    "a bound method": lambda network: Predictor(network).predict,
    "an object that is called": Predictor,
    "a partial": lambda network: functools.partial(lambda of, x: of(x), network),
    "a default": lambda network: lambda x, of=network: of(x),
    "a decorated function": lambda network: wrapped(function_of(network)),
    "one of a list": lambda network: lambda x, of=(network,): of[0](x),
    "its forward": lambda network: network.forward,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_function_is_attacked_as_the_network_in_it_is(
    tiny_net: nn.Module, tiny_data: ImageSet, form: str
) -> None:
    report = evaluate(FORMS[form](tiny_net), tiny_data, **QUICK)
    wanted = evaluate(tiny_net, tiny_data, **QUICK)
    assert report.images.verdicts == wanted.images.verdicts
    assert report.model.parameters == wanted.model.parameters
    assert report.model.weights_sha256 != wanted.model.weights_sha256
    assert {"function-model", "engine-fallback"} <= {flag.code for flag in report.flags}


def test_a_function_without_a_network_says_that_nothing_is_known(tiny_data: ImageSet) -> None:
    w = torch.randn(tiny_data.batch([0]).x.numel(), 5)
    report = evaluate(lambda x: x.flatten(1) @ w, tiny_data, attack="fgsm", eps="1/20")
    details = [flag.detail for flag in report.flags if flag.code == "function-model"]
    assert "no network was seen" in details[0]
    assert report.model.parameters == 0


def test_functions_that_differ_have_different_digests(tiny_data: ImageSet) -> None:
    def of(w: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda x: x.flatten(1) @ w

    first, second = torch.ones(2, 3), torch.zeros(2, 3)
    seen = [as_module(f).seen_sha256.tolist() for f in (of(first), of(second), of(first.clone()))]
    assert seen[0] == seen[2] != seen[1]
    other = as_module(lambda x: x.flatten(1) @ first).seen_sha256.tolist()
    assert other not in seen


def test_every_door_takes_a_function(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    x, y = tiny_data.tensors(8)
    found = attack(function_of(tiny_net), x, y, "pgd-2")
    assert "function-model" in {flag.code for flag in found.flags}
    drawn = curve(function_of(tiny_net), (x, y), eps="1/255", attack="fgsm", check=False)
    assert "function-model" in {flag.code for flag in drawn.series[0].flags}
    report = zoo.evaluate(function_of(tiny_net), images=(x, y), norm="Linf", **QUICK)
    assert report.model.name == "function"


def test_a_journal_of_a_function_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    for door in (
        lambda **kind: evaluate(function_of(tiny_net), tiny_data, **QUICK, **kind),
        lambda **kind: curve(function_of(tiny_net), tiny_data, eps="1/255", **kind),
    ):
        with pytest.raises(UsageError, match="`journal` needs a model that can be told from every"):
            door(journal=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_network_in_train_mode_is_found_in_a_function() -> None:
    net.train()
    for function in (called, lambda x: [net(one) for one in x], Predictor(net).predict):
        with pytest.raises(SatZooError, match="computes with a Sequential in train mode: call its"):
            as_module(function)
    net.eval()
    found = as_module(lambda x: SimpleNamespace(unrelated=net).unrelated(x))
    assert isinstance(found, FunctionModel)
    assert list(found.networks) == [net]


def test_a_module_is_taken_as_it_is() -> None:
    assert as_module(net) is net


class Answer(nn.Module):
    """Returns what a function makes of the logits."""

    def __init__(self, network: nn.Module, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network, self.make = network, make
        self.eval()

    def forward(self, x: Tensor) -> Any:
        return self.make(self.network(x))


WRONG: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "a class": (lambda _: nn.Sequential, r"is the class Sequential: make a model of it"),
    "a name": (lambda _: "resnet8-silu-sat-digits", "is a name, and eval knows none: use zoo.eval"),
    "a path": (lambda _: Path("a.safetensors"), "is a name, and eval knows none"),
    "a state dict": (lambda n: n.state_dict(), "looks like a state dict.*net.load_state_dict"),
    "nothing": (lambda _: None, "`model` is a NoneType: give a torch.nn.Module, or a function"),
    "a tensor": (lambda _: torch.zeros(3), "`model` is a Tensor: give a torch.nn.Module"),
    "a function to numpy": (
        lambda n: lambda x: n(x).detach().numpy(),
        "returned a ndarray: its forward must return logits.*no gradient comes through NumPy",
    ),
    "a function by numpy": (
        lambda n: lambda x: n(torch.from_numpy(np.asarray(x))),
        "fails on .* with gradients .RuntimeError: Can't call numpy|no gradient reaches",
    ),
    "a function without gradients": (
        lambda n: lambda x: n(x).detach(),
        "no gradient reaches the images",
    ),
    "a dict": (
        lambda n: Answer(n, lambda z: {"loss": z.sum(), "preds": z}),
        "returned a dict with 'loss', 'preds': its forward must return logits",
    ),
    "a tuple": (lambda n: Answer(n, lambda z: (z, z)), "returned a tuple of 2: its forward must"),
    "text": (lambda n: Answer(n, lambda z: "cat"), "returned a str: its forward must"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_model_is_refused_in_one_sentence(
    tiny_net: nn.Module, tiny_data: ImageSet, kind: str
) -> None:
    make, message = WRONG[kind]
    with pytest.raises(SatZooError, match=message) as raised:
        evaluate(make(tiny_net), tiny_data, **QUICK)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "make", [lambda z: SimpleNamespace(logits=z), lambda z: {"logits": z}, lambda z: (z,)]
)
def test_outputs_that_say_where_logits_are_are_taken(
    tiny_net: nn.Module, tiny_data: ImageSet, make: Callable[[Tensor], Any]
) -> None:
    report = evaluate(Answer(tiny_net, make), tiny_data, attack="fgsm", eps="1/20")
    assert (
        report.images.verdicts
        == evaluate(tiny_net, tiny_data, attack="fgsm", eps="1/20").images.verdicts
    )
