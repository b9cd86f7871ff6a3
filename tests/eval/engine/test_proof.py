"""The fast copy: optional, proven on what it has not seen, and proven again."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.engine.engine import build_engine
from eval.engine.folding import fold_batch_norm
from eval.report.report import Report


class Net8(nn.Module):
    """A convolution, a batch norm and a linear layer on 3 x 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.bn, self.fc = nn.BatchNorm2d(8), nn.Linear(512, 10)
            self.bn.running_mean.normal_()
            self.bn.running_var.uniform_(0.5, 2)

    def features(self, x: Tensor) -> Tensor:
        z: Tensor = self.bn(self.conv(x))
        return z

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.fc(torch.relu(self.features(x)).flatten(1))
        return z


IMAGES = 0.3 + 0.4 * torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def frozen(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():  # a ScriptModule has no requires_grad_ of its own
        parameter.requires_grad_(False)
    return model.eval()


def both(model: nn.Module, attack: str = "pgd-10", eps: str = "1/20") -> list[Report]:
    """What the fast and the reference engine say of `model`."""
    with torch.no_grad():
        y = frozen(model)(IMAGES.clone()).argmax(1)
    return [
        evaluate(model, (IMAGES, y), attack=attack, eps=eps, engine=engine, precision="fp32")
        for engine in ("fast", "reference")
    ]


class Captures(Net8):
    """Reads its features from where a hook left them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Tensor] = {}
        self.bn.register_forward_hook(lambda _, __, out: self.seen.__setitem__("f", out))

    def features(self, x: Tensor) -> Tensor:
        self.bn(self.conv(x))
        return self.seen["f"]


class CapturesPart(Captures):
    def features(self, x: Tensor) -> Tensor:
        own: Tensor = self.bn(self.conv(x))
        return self.seen["f"][: len(own)] + 0 * own


class CapturesWithoutGradient(Captures):
    """Right logits from its own features, but the gradient of the captured ones."""

    def features(self, x: Tensor) -> Tensor:
        own: Tensor = self.bn(self.conv(x))
        other = self.seen["f"]
        return own.detach() + (other - other.detach())[: len(own)] + 0 * own


class BoundMethod(Net8):
    """Keeps a bound method of its own, which a copy still has of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(0)
        self.register_forward_pre_hook(self.keep)

    def keep(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        self.last = self.conv(inputs[0]).detach()

    def features(self, x: Tensor) -> Tensor:
        z: Tensor = self.bn(self.conv(x) + 0.5 * self.last[: len(x)])
        return z


class GlobalFeatures(Net8):
    """Features in a place that copies share."""

    store: ClassVar[dict[int, Tensor]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.place = id(self)
        me = self.place
        self.conv.register_forward_hook(lambda _, __, out: self.store.__setitem__(me, out))

    def features(self, x: Tensor) -> Tensor:
        self.conv(x)
        z: Tensor = self.bn(self.store[self.place])
        return z


@pytest.mark.parametrize(
    "kind", [Captures, CapturesPart, CapturesWithoutGradient, BoundMethod, GlobalFeatures]
)
def test_features_that_hooks_left_elsewhere_change_no_verdict(kind: type[nn.Module]) -> None:
    fast, reference = both(kind())
    assert fast.images.verdicts == reference.images.verdicts


class ReadsTheNorm(Net8):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x) * self.bn.weight.abs().sum()


class ReadsTheConvolution(Net8):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + 1e-2 * self.conv.weight.square().sum()


class ReadsTheStatistics(Net8):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x) - self.bn.running_mean.mean()


class ReadsASetting(Net8):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x) * self.bn.num_features


class OwnNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.1 * x.mean((1, 2, 3), keepdim=True)


class WithOwnNorm(Net8):
    def __init__(self) -> None:
        super().__init__()
        self.bn = OwnNorm(8)


class Twice(Net8):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + self.bn(self.conv(x.flip(3)))


class Tied(Net8):
    def __init__(self) -> None:
        super().__init__()
        self.also = self.bn


def normed(norm: Callable[[nn.Module], nn.Module]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        net = Net8()
        net.conv = norm(net.conv)
        net(IMAGES)
        return net.eval()

    return make


class CountsCopies(Net8):
    def __deepcopy__(self, memo: dict[int, Any]) -> "CountsCopies":
        raise RuntimeError("a copy of this would be a lie")


class BecomesAnother(Net8):
    def __deepcopy__(self, memo: dict[int, Any]) -> "Net8":
        other = Net8()
        nn.init.normal_(other.fc.weight)
        return other


def scripted() -> nn.Module:
    return torch.jit.script(Net8().eval())


def traced() -> nn.Module:
    return torch.jit.trace(Net8().eval(), IMAGES[:4])


OPTIONAL: dict[str, Callable[[], nn.Module]] = {
    "weight_norm": normed(nn.utils.weight_norm),
    "spectral_norm": normed(nn.utils.spectral_norm),
    "parametrized weight_norm": normed(nn.utils.parametrizations.weight_norm),
    "parametrized spectral_norm": normed(nn.utils.parametrizations.spectral_norm),
    "parametrized orthogonal": normed(nn.utils.parametrizations.orthogonal),
    "bn.weight": ReadsTheNorm,
    "conv.weight": ReadsTheConvolution,
    "bn.running_mean": ReadsTheStatistics,
    "bn.num_features": ReadsASetting,
    "own norm": WithOwnNorm,
    "twice": Twice,
    "tied": Tied,
    "no copy": CountsCopies,
    "another copy": BecomesAnother,
    "script": scripted,
    "trace": traced,
}


@pytest.mark.parametrize("make", OPTIONAL.values(), ids=OPTIONAL)
def test_the_fast_copy_is_optional(make: Callable[[], nn.Module]) -> None:
    fast, reference = both(make())
    assert fast.images.verdicts == reference.images.verdicts
    assert {flag.code for flag in fast.flags} <= {"engine-fallback"}


@pytest.mark.parametrize("kind", [ReadsTheNorm, ReadsTheConvolution, ReadsTheStatistics, Twice])
def test_modules_that_are_read_by_others_are_not_folded(kind: type[nn.Module]) -> None:
    model = kind().eval()
    assert fold_batch_norm(model, IMAGES[:2]) == 0
    assert build_engine(model, IMAGES, "fp32").is_copy


def test_proofs_cost_less_than_half_a_percent_of_a_long_search() -> None:
    model = Net8().eval().requires_grad_(False)
    engine, n_proofs = build_engine(model, IMAGES, "fp32"), 0
    for _ in range(500):
        engine.search.logits(IMAGES)
        if engine.must_prove():
            before = sum(engine.passes())
            assert engine.prove_again(IMAGES)
            cost, n_proofs = sum(engine.passes()) - before, n_proofs + 1
    assert n_proofs >= 4
    assert n_proofs * cost <= 0.005 * sum(engine.passes())
