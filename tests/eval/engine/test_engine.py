from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from eval import Report, evaluate
from eval.data import ImageSet, from_tensors
from eval.engine import engine as engine_module
from eval.engine.engine import FEW_TIMINGS, N_TIMINGS, bf16_speedup, build_engine
from eval.engine.folding import fold_batch_norm
from eval.engine.net import Net


def warmed(model: nn.Module, size: int) -> tuple[nn.Module, Tensor]:
    """A network whose batch norms have statistics worth folding, and images for it."""
    x = torch.rand(8, 3, size, size, generator=torch.Generator().manual_seed(0))
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(x)
    return model.eval().requires_grad_(False), x


@pytest.mark.parametrize("arch", ["resnet18", "tf_efficientnet_b0", "convnext_atto"])
def test_folding_keeps_the_function(arch: str) -> None:
    model, x = warmed(timm.create_model(arch, num_classes=10), 64)
    engine = build_engine(model, x, "fp32")
    assert engine.warning == ""
    assert engine.error < 1e-4 * float(model(x).std())


def test_every_batch_norm_after_a_convolution_is_folded() -> None:
    for arch, n in (("resnet18", 20), ("tf_efficientnet_b0", 49)):
        model, x = warmed(timm.create_model(arch, num_classes=10), 64)
        assert fold_batch_norm(model, x) == n
        assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_the_model_itself_is_untouched(tiny_net: nn.Module) -> None:
    before = {k: v.clone() for k, v in tiny_net.state_dict().items()}
    x = torch.rand(4, 3, 8, 8)
    build_engine(tiny_net, x, "bf16").search.gradient(x, lambda z: z.sum(1))
    after = tiny_net.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(v.is_contiguous() for v in after.values())


def test_the_gradient_is_that_of_the_model(tiny_net: nn.Module) -> None:
    x = torch.rand(4, 3, 8, 8)
    weights = torch.arange(5.0)
    leaf = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((tiny_net(leaf) * weights).sum(), leaf)
    logits, grad = build_engine(tiny_net, x, "fp32").search.gradient(x, lambda z: z @ weights)
    torch.testing.assert_close(grad, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits, tiny_net(x), atol=1e-5, rtol=1e-4)


class TwoReaders(nn.Module):
    """Its convolution's output is read by the batch norm and by something else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 8)
        self.norm = nn.BatchNorm2d(5)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        return (self.norm(z) + z).flatten(1)


def test_a_copy_that_differs_is_refused_with_a_warning() -> None:
    model, x = warmed(TwoReaders(), 8)
    with torch.no_grad():
        model.norm.weight *= 3
    engine = build_engine(model, x, "fp32")
    assert engine.warning.startswith("the folded copy of the model differs by")
    assert engine.error == 0


def test_a_model_that_cannot_be_copied_is_used_itself(tiny_net: nn.Module) -> None:
    class Singular(nn.Module):
        def __deepcopy__(self, memo: dict[int, Any]) -> "Singular":
            raise TypeError("there is only one")

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = tiny_net(x)
            return out

    engine = build_engine(Singular().eval(), torch.rand(4, 3, 8, 8), "fp32")
    assert engine.warning == "the model cannot be copied (there is only one)"


def test_bf16_that_is_too_coarse_falls_back_to_fp32(tiny_net: nn.Module) -> None:
    class Coarse(nn.Module):
        """Differences of large numbers: hopeless with 8 bits of mantissa."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(192, 2, bias=False)
            nn.init.normal_(self.linear.weight)

        def forward(self, x: Tensor) -> Tensor:
            z: Tensor = self.linear(x.flatten(1) + 100)
            return z - 100 * self.linear.weight.sum(1)

    engine = build_engine(Coarse().eval().requires_grad_(False), torch.rand(8, 3, 8, 8), "bf16")
    assert engine.precision == "fp32"
    assert engine.warning.startswith("the model in bf16")


def test_a_fallback_is_flagged_in_the_report() -> None:
    model, x = warmed(TwoReaders(), 8)
    with torch.no_grad():
        model.norm.weight *= 3
    report = evaluate(model, (x, model(x).argmax(1)), attack="fgsm", precision="fp32")
    assert [flag.code for flag in report.flags] == ["engine-fallback"]


def broken_images(report: Report) -> set[str]:
    verdicts = zip(report.images.ids, report.images.verdicts, strict=True)
    return {image for image, verdict in verdicts if verdict not in {"clean", "robust"}}


@pytest.mark.parametrize("eps", ["1/100", "1/60", "1/40", "1/25"])
def test_low_precision_cannot_hide_a_break(
    tiny_net: nn.Module, tiny_data: ImageSet, eps: str
) -> None:
    for seed in (0, 1):
        exact, coarse = (
            evaluate(tiny_net, tiny_data, attack="pgd-20", eps=eps, seed=seed, precision=precision)
            for precision in ("fp32", "bf16")
        )
        assert coarse.engine.precision == "bf16"
        assert broken_images(exact) <= broken_images(coarse)
        assert coarse.stages[0].forwards > exact.stages[0].forwards  # survivors were polished


def test_breaks_below_the_resolution_of_bf16_are_found_by_the_polish() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(192, generator=generator) * 0.1 - 0.05
    net[1].weight.copy_(torch.stack([-weight, weight]))
    net[1].bias.zero_()
    # Images that the ball reaches across the boundary by a thousandth of its radius.
    x = torch.rand(64, 192, generator=generator) * 0.4 + 0.3
    wanted = 0.999 / 40 * weight.abs().sum()
    x += (wanted - x @ weight)[:, None] * weight / weight.square().sum()
    x, y = x.view(-1, 3, 8, 8), torch.ones(64, dtype=torch.long)
    worst = x - weight.sign().view(3, 8, 8) / 40
    assert bool((net(worst).argmax(1) == 0).all())
    in_bf16 = build_engine(net, x, "bf16").search.logits(worst).argmax(1)
    assert 0 < int((in_bf16 == 0).sum()) < 64, "some of the breaks the search cannot see"
    report = evaluate(net, from_tensors(x, y), attack="pgd-20", eps="1/40", precision="bf16")
    assert (report.engine.precision, report.robust.correct) == ("bf16", 0)


def test_passes_are_counted_in_images() -> None:
    net = Net(nn.Flatten())
    net.logits(torch.rand(5, 1, 2, 2))
    net.gradient(torch.rand(3, 1, 2, 2), lambda z: z.sum(1), eot=4)
    assert (net.forwards, net.backwards) == (17, 12)


@pytest.mark.parametrize(
    ("seconds", "n"),
    [(0.5, N_TIMINGS), (1.0, N_TIMINGS), (1.9, N_TIMINGS), (2.1, FEW_TIMINGS), (9.0, FEW_TIMINGS)],
)
def test_bf16_that_takes_more_than_twice_as_long_is_given_up_early(
    seconds: float, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, dtypes = [0.0], list[torch.dtype]()

    def conv2d(x: Tensor, weight: Tensor, **_: object) -> Tensor:
        dtypes.append(x.dtype)
        now[0] += seconds if x.dtype == torch.bfloat16 else 1.0
        return x

    monkeypatch.setattr(engine_module.functional, "conv2d", conv2d)
    monkeypatch.setattr(engine_module.time, "perf_counter", lambda: now[0])
    assert bf16_speedup.__wrapped__("cpu") == pytest.approx(1 / seconds)
    assert dtypes == [torch.float32, torch.bfloat16] * n
