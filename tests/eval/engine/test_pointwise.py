"""1x1 convolutions of few rows: by another kernel, and the same."""

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from eval.engine.engine import build_engine
from eval.engine.pointwise import FEW_ROWS, give_few_rows_to_onednn

CAPABILITY = torch.backends.cpu.get_cpu_capability()
needs_x86 = pytest.mark.skipif(CAPABILITY not in {"AVX2", "AVX512"}, reason="needs oneDNN on x86")

KINDS = {
    "plain": lambda: nn.Conv2d(16, 24, 1),
    "no bias": lambda: nn.Conv2d(16, 24, 1, bias=False),
    "groups": lambda: nn.Conv2d(16, 24, 1, groups=4),
    "depthwise": lambda: nn.Conv2d(16, 16, 1, groups=16),
    "dilated": lambda: nn.Conv2d(16, 24, 1, dilation=3),
}
LEFT_ALONE = {
    "strided": lambda: nn.Conv2d(16, 24, 1, stride=2),
    "padded": lambda: nn.Conv2d(16, 24, 1, padding=1),
    "reflected": lambda: nn.Conv2d(16, 24, 1, padding=1, padding_mode="reflect"),
    "wide": lambda: nn.Conv2d(16, 24, 3),
    "flat": lambda: nn.Conv2d(16, 24, (1, 3)),
}
X = torch.rand(17, 16, 9, 7, generator=torch.Generator().manual_seed(0))


def kernels(model: nn.Module, x: Tensor) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as seen, torch.no_grad():
        model(x)
    return {event.key for event in seen.key_averages()}


@pytest.mark.parametrize("kind", [*KINDS, *LEFT_ALONE])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_it_computes_the_same_for_any_number_of_rows(
    kind: str, layout: torch.memory_format
) -> None:
    conv = {**KINDS, **LEFT_ALONE}[kind]().requires_grad_(False).to(memory_format=layout)
    wanted = nn.Conv2d.forward.__get__(conv)
    give_few_rows_to_onednn(nn.Sequential(conv))
    for n in range(1, 18):
        x = X[:n].to(memory_format=layout).requires_grad_()
        weights = torch.rand_like(wanted(x))
        (grad,) = torch.autograd.grad((conv(x) * weights).sum(), x)
        (wanted_grad,) = torch.autograd.grad((wanted(x) * weights).sum(), x)
        # Both in fp32; where torch would not take oneDNN, in another order of summation.
        near = {"atol": 1e-5, "rtol": 1e-5} if n in FEW_ROWS else {"atol": 0, "rtol": 0}
        torch.testing.assert_close(conv(x), wanted(x), **near)
        torch.testing.assert_close(grad, wanted_grad, **near)


@needs_x86
@pytest.mark.parametrize("kind", ["plain", "no bias"])
def test_few_rows_go_to_onednn_and_fewer_stay_with_torch(kind: str) -> None:
    conv = KINDS[kind]().requires_grad_(False)
    left = kernels(conv, X[: FEW_ROWS.start])
    give_few_rows_to_onednn(conv)
    assert "aten::mkldnn_convolution" not in left
    assert "aten::mkldnn_convolution" in kernels(conv, X[: FEW_ROWS.start])
    assert "aten::mkldnn_convolution" not in kernels(conv, X[: FEW_ROWS.start - 1])


class OwnConvolution(nn.Conv2d):
    pass


def test_subclasses_and_forwards_of_ones_own_are_left_alone() -> None:
    own, patched = OwnConvolution(16, 24, 1), nn.Conv2d(16, 24, 1)
    patched.forward = lambda x: -x  # type: ignore[method-assign]
    give_few_rows_to_onednn(nn.Sequential(own, patched))
    assert "forward" not in vars(own)
    assert torch.equal(patched(X), -X)


def test_an_image_without_a_batch_is_not_taken_for_one() -> None:
    conv = nn.Conv2d(8, 4, 1).requires_grad_(False)
    x = torch.rand(8, 9, 7)
    wanted = conv(x)
    give_few_rows_to_onednn(conv)
    assert torch.equal(conv(x), wanted)


def test_the_model_itself_keeps_its_kernels() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(512, 5)).eval()
    engine = build_engine(model, torch.rand(16, 3, 8, 8), "fp32")
    assert engine.is_copy
    assert "forward" not in vars(model[0])
