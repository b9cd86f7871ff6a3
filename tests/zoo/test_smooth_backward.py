import math

import pytest
import torch
from torch import Tensor, nn

from eval.errors import UsageError
from zoo.activations.activations import ACTIVATIONS, ReLUSmoothBackward, attacker_pass, set_backward

SWITCHABLE = ["relu-smooth-backward", "relu-smooth-attacker", "relu-smooth-optimizer"]
POINTS = [0.0, 1e-6, 0.01, 0.1, 1.0, 3.0, 45.0, 1e4, -1e-6, -0.01, -0.1, -1.0, -3.0, -45.0, -1e4]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def value_and_slope(site: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    out = site(x)
    (slope,) = torch.autograd.grad(out.sum(), x)
    return out.detach(), slope


def slope_at(model: nn.Module, x: float = 0.05) -> float:
    return value_and_slope(model, torch.tensor([x], dtype=torch.float64))[1].item()


SMOOTH = sigmoid(10 * 0.05)  # relu's own derivative there is 1


@pytest.mark.parametrize(
    ("name", "attacker", "optimizer"),
    [
        ("relu-smooth-backward", SMOOTH, SMOOTH),
        ("relu-smooth-attacker", SMOOTH, 1.0),
        ("relu-smooth-optimizer", 1.0, SMOOTH),
    ],
)
def test_each_pass_gets_the_derivative_its_name_says(
    name: str, attacker: float, optimizer: float
) -> None:
    model = nn.Sequential(ACTIVATIONS[name]()).train()
    with attacker_pass(model):
        assert slope_at(model) == pytest.approx(attacker, rel=1e-12)
        model.eval()  # the attack of the training loop runs the network in evaluation mode
        assert slope_at(model) == pytest.approx(attacker, rel=1e-12)
    model.train()
    assert slope_at(model) == pytest.approx(optimizer, rel=1e-12)
    model.eval()
    assert slope_at(model) == 1.0  # who measures the network meets the true function


@pytest.mark.parametrize("name", SWITCHABLE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_smooth_backward_keeps_relu_forward_and_never_overflows(
    name: str, dtype: torch.dtype
) -> None:
    x = torch.tensor(POINTS, dtype=dtype)
    site = ACTIVATIONS[name]()
    set_backward(site, attacker=True, optimizer=False)
    with attacker_pass(site):
        value, slope = value_and_slope(site, x)
    expected = [sigmoid(10 * v) for v in x.double().tolist()]
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2**-8}[dtype]
    assert torch.equal(value, x.relu())
    assert slope.double().tolist() == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_the_derivative_is_chosen_when_the_forward_pass_runs() -> None:
    model = ReLUSmoothBackward()
    set_backward(model, attacker=True, optimizer=False)
    x = torch.tensor([0.05], requires_grad=True)
    with attacker_pass(model):
        out = model(x)
    out.backward()
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(SMOOTH, rel=1e-6)


def test_an_attackers_pass_ends_with_an_exception_too_and_may_be_nested() -> None:
    model = ReLUSmoothBackward()
    with pytest.raises(KeyError), attacker_pass(model):
        raise KeyError
    assert not model.is_attacking
    with attacker_pass(model):
        with attacker_pass(model):
            pass
        assert model.is_attacking


def test_set_backward_switches_one_model_only() -> None:
    one, other = nn.Sequential(ReLUSmoothBackward()), nn.Sequential(ReLUSmoothBackward())
    set_backward(one, attacker=False, optimizer=False)
    assert slope_at(one) == 1.0
    assert slope_at(other) == pytest.approx(SMOOTH, rel=1e-12)


def test_set_backward_refuses_a_model_on_which_it_means_nothing() -> None:
    with pytest.raises(UsageError, match="build it with the activation relu-smooth-backward"):
        set_backward(nn.Sequential(nn.ReLU()), attacker=True, optimizer=True)


def test_an_attackers_pass_leaves_other_models_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with attacker_pass(model):
        assert model(torch.ones(1, 2)).shape == (1, 2)
