import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jacrev, vmap

from zoo.activations.activations import (
    ACTIVATIONS,
    CELU,
    ELU,
    GELU,
    GELUExact,
    ReLUSmoothBackward,
    SmoothReLU,
)

# Those whose gradient is that of their forward pass; the others: test_smooth_backward.py.
HONEST = sorted(n for n, kind in ACTIVATIONS.items() if not issubclass(kind, ReLUSmoothBackward))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def expm1(x: float) -> float:
    return math.expm1(min(x, 0.0))


def gelu_tanh(x: float) -> tuple[float, float]:
    c = math.sqrt(2 / math.pi)
    t = math.tanh(c * (x + 0.044715 * x**3))
    return x / 2 * (1 + t), (1 + t) / 2 + x / 2 * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)


def gelu_erf(x: float) -> tuple[float, float]:
    phi = math.erfc(-x / math.sqrt(2)) / 2
    return x * phi, phi + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def mish(x: float) -> tuple[float, float]:
    t = math.tanh(softplus(x))
    return x * t, t + x * (1 - t * t) * sigmoid(x)


def smoothrelu(x: float) -> tuple[float, float]:
    u = 400 * max(x, 0.0)
    return max(x, 0.0) - math.log1p(u) / 400, u / (1 + u)


# name -> (value, derivative), from the definitions, in float64 of the standard library
ORACLE: dict[str, Callable[[float], tuple[float, float]]] = {
    "relu": lambda x: (max(x, 0.0), float(x > 0)),
    "silu": lambda x: (x * sigmoid(x), sigmoid(x) * (1 + x * sigmoid(-x))),
    "gelu": gelu_tanh,
    "gelu-exact": gelu_erf,
    "softplus": lambda x: (softplus(x), sigmoid(x)),
    "parametric-softplus": lambda x: (softplus(10 * x) / 10, sigmoid(10 * x)),
    "elu": lambda x: (max(x, 0.0) + expm1(x), math.exp(min(x, 0.0))),
    "celu": lambda x: (max(x, 0.0) + expm1(x), math.exp(min(x, 0.0))),
    "mish": mish,
    "smoothrelu": smoothrelu,
}
MAGNITUDES = [
    1e-6,
    1e-4,
    1e-3,
    0.01,
    0.1,
    0.3,
    1.0,
    1.7,
    3.0,
    5.0,
    10.0,
    19.9,
    45.0,
    100.0,
    1e3,
    1e4,
]
POINTS = [0.0, *MAGNITUDES, *(-m for m in MAGNITUDES)]


def value_and_slope(site: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    out = site(x)
    (slope,) = torch.autograd.grad(out.sum(), x)
    return out.detach(), slope


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 2**-8)],
    ids=["float64", "float32", "bfloat16"],
)
@pytest.mark.parametrize("name", HONEST)
def test_value_and_gradient_are_those_of_the_formula_up_to_1e4(
    name: str, dtype: torch.dtype, tolerance: float
) -> None:
    x = torch.tensor(POINTS, dtype=dtype)
    site = ACTIVATIONS[name]().to(dtype)
    value, slope = value_and_slope(site, x)
    expected = torch.tensor([ORACLE[name](v) for v in x.double().tolist()], dtype=torch.float64)
    assert value.dtype == slope.dtype == dtype
    assert value.isfinite().all()
    assert slope.isfinite().all()
    # One rounding of the result, or of intermediates of size 1.
    torch.testing.assert_close(value.double(), expected[:, 0], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(slope.double(), expected[:, 1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", HONEST)
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    magnitudes = torch.tensor([0.002, 0.05, 0.4, 1.1, 3.0, 7.0], dtype=torch.float64)
    x = torch.cat([magnitudes, -magnitudes]).requires_grad_()  # 0 is a kink of relu
    site = ACTIVATIONS[name]().double()
    assert gradcheck(site, (x,))
    assert gradgradcheck(site, (x,))


@pytest.mark.parametrize("start", [20.0, 1.3, -0.7])
def test_smoothrelu_learns_raw_with_the_right_gradient(start: float) -> None:
    x = torch.linspace(-2.0, 2.0, 8, dtype=torch.float64).requires_grad_()
    site = SmoothReLU().double()
    raw = torch.tensor([start], dtype=torch.float64, requires_grad=True)

    def at(x: Tensor, raw: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(site, {"raw": raw}, (x,))
        return out

    assert gradcheck(at, (x, raw))
    assert gradgradcheck(at, (x, raw))


def test_smoothrelu_has_one_raw_scalar_that_starts_at_20() -> None:
    (named,) = SmoothReLU().named_parameters()
    assert named[0] == "raw"
    assert named[1].shape == (1,)
    assert named[1].item() == 20.0


def test_smoothrelu_is_zero_and_not_nan_where_beta_is_zero() -> None:
    site = SmoothReLU()
    nn.init.zeros_(site.raw)
    value, slope = value_and_slope(site, torch.tensor([-1.0, 0.0, 1.0, 1e4]))
    site(torch.ones(3)).sum().backward()
    assert value.abs().max() < 1e-3
    assert slope.abs().max() < 1e-6
    assert site.raw.grad is not None
    assert site.raw.grad.item() == 0.0


def test_smoothrelu_gradient_of_raw_survives_bf16_sums() -> None:
    x = torch.rand(4096, generator=torch.Generator().manual_seed(0)).bfloat16()
    narrow, wide = SmoothReLU(), SmoothReLU().double()
    for site, values in ((narrow, x), (wide, x.double())):
        nn.init.constant_(site.raw, 3.0)
        site(values).sum().backward()
    assert narrow.raw.grad is not None
    assert wide.raw.grad is not None
    assert narrow.raw.grad.item() == pytest.approx(wide.raw.grad.item(), rel=1e-5)


@pytest.mark.parametrize("name", HONEST)
def test_the_smoothness_on_the_label_is_true_at_zero(name: str) -> None:
    h = torch.tensor([-1e-9, 1e-9], dtype=torch.float64, requires_grad=True)
    out = ACTIVATIONS[name]().double()(h)
    (first,) = torch.autograd.grad(out.sum(), h, create_graph=True)
    second = torch.zeros_like(h)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), h)
    jumps = [bool((d[1] - d[0]).abs() > 1e-5) for d in (out, first, second)]
    expected = {
        "C0": [False, True, False],
        "C1": [False, False, True],
        "C-infinity": [False, False, False],
    }
    assert jumps == expected[ACTIVATIONS[name].smoothness]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_celu_is_elu_to_the_bit_when_alpha_is_one(dtype: torch.dtype) -> None:
    # So the card of CELU and that of ELU are one training, which the first one's notes say.
    x = torch.cat([torch.linspace(-100, 10, 10_001), torch.tensor([0.0, -0.0])]).to(dtype)
    up = torch.linspace(-1, 1, len(x)).to(dtype)
    found = []
    for make in (ELU, CELU):
        leaf = x.clone().requires_grad_()
        y = make()(leaf)
        (slope,) = torch.autograd.grad(y, leaf, up)
        found.append((y.detach(), slope))
    for elu, celu in zip(*found, strict=True):
        assert torch.equal(elu, celu)


def test_elu_breaks_and_celu_keeps_its_derivative_when_alpha_is_not_one() -> None:
    h = torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
    _, elu = value_and_slope(ELU(alpha=2.0), h)
    _, celu = value_and_slope(CELU(alpha=2.0), h)
    torch.testing.assert_close(elu, torch.tensor([2.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(celu, torch.tensor([1.0, 1.0], dtype=torch.float64))


def test_the_two_forms_of_gelu_differ_by_less_than_5e_4() -> None:
    x = torch.linspace(-6, 6, 4001)
    gap = (GELU()(x) - GELUExact()(x)).abs().max().item()
    assert 4e-4 < gap < 5e-4


@settings(deadline=None, max_examples=50)
@given(x=st.floats(-1e4, 1e4), raw=st.floats(0.5, 50.0))
def test_smoothrelu_lies_between_zero_and_relu(x: float, raw: float) -> None:
    site = SmoothReLU().double()
    nn.init.constant_(site.raw, raw)
    value = site(torch.tensor([x], dtype=torch.float64)).item()
    assert -1e-12 <= value <= max(x, 0.0)


@settings(deadline=None, max_examples=50)
@given(x=st.floats(-1e4, 1e4))
def test_parametric_softplus_is_relu_up_to_log_2_over_alpha(x: float) -> None:
    site = ACTIVATIONS["parametric-softplus"]()
    gap = site(torch.tensor([x], dtype=torch.float64)).item() - max(x, 0.0)
    assert -1e-12 <= gap <= math.log(2) / 10 + 1e-12


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_states_formula_smoothness_and_source(name: str) -> None:
    kind = ACTIVATIONS[name]
    assert kind.formula
    assert kind.source
    assert kind.smoothness in {"C0", "C1", "C-infinity"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_inplace_is_accepted_and_only_relu_obeys(name: str) -> None:
    x = torch.linspace(-1, 1, 9)
    site = ACTIVATIONS[name](inplace=True)
    out = site(x)
    assert (out.data_ptr() == x.data_ptr()) == (name == "relu")
    torch.testing.assert_close(out, ACTIVATIONS[name]()(torch.linspace(-1, 1, 9)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_memory_format_inference_mode_and_the_meta_device_are_respected(name: str) -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    site = ACTIVATIONS[name]()
    assert site(x).is_contiguous(memory_format=torch.channels_last)
    _, slope = value_and_slope(site, x)
    assert slope.is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(site(x), site(x.contiguous()))
    with torch.device("meta"):
        assert ACTIVATIONS[name]()(torch.empty(2, 3)).shape == (2, 3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_graph_keeps_one_tensor_of_the_size_of_x(name: str) -> None:
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    x = torch.randn(64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ACTIVATIONS[name]()(x)
    assert [n for n in kept if n > 1] == [64]


@pytest.mark.parametrize("name", ["smoothrelu", "relu-smooth-backward"])
def test_the_own_derivatives_work_under_vmap(name: str) -> None:
    site, x = ACTIVATIONS[name](), torch.randn(3, 4)
    _, slope = value_and_slope(site, x)
    diagonals = vmap(lambda row: jacrev(site)(row).diagonal())(x)
    torch.testing.assert_close(diagonals, slope)
