"""Passes of fixed sizes, tried on the CPU: the padding, sizes and proofs that a GPU meets."""

from collections.abc import Callable, Iterator

import pytest
import timm
import torch
from torch import Tensor, nn

from eval.engine import engine as engines
from eval.engine.engine import Engine, build_engine
from eval.engine.graphs import Road
from eval.engine.padding import ladder, padded, rung
from tests.eval.engine.recording import recorded
from tests.nosync import no_waiting

X = torch.rand(17, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.SiLU(),
        nn.Conv2d(24, 8, 1, stride=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 5),
    )


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 5))


def normed_by_layer() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=4), nn.GELU(), nn.Flatten(), nn.LayerNorm(256), nn.Linear(256, 7)
    )


def residual() -> nn.Module:
    return timm.create_model("resnet10t", num_classes=6)


KINDS = [convolutional, linear, normed_by_layer, residual]


def frozen(kind: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = kind()
        with torch.no_grad():
            model.train()(torch.rand(32, 3, 16, 16))  # statistics worth folding
    return model.eval().requires_grad_(False)


def objective(logits: Tensor) -> Tensor:
    return logits.square() @ torch.linspace(-1, 1, logits.shape[1])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_pass_gives_the_rows_of_a_plain_one(
    kind: Callable[[], nn.Module], precision: engines.Precision
) -> None:
    model = frozen(kind)
    plain = build_engine(model, X, precision)
    fixed = build_engine(model, X, precision, make=recorded)
    assert fixed.is_copy
    assert (plain.precision, plain.warning) == (fixed.precision, fixed.warning)
    fixed.fit(17)
    for n in range(1, 18):
        x = X.flip(0)[:n]
        # The same shape is computed by the same kernels, which see the padding as rows like others.
        whole = padded(x, rung(n, ladder(17)))
        logits, (same, grad) = fixed.search.logits(x), fixed.search.gradient(x, objective)
        wanted, wanted_grad = plain.search.gradient(whole, objective)
        assert torch.equal(logits, plain.search.logits(whole)[:n])
        assert torch.equal(same, wanted[:n])
        assert torch.equal(grad, wanted_grad[:n])
        # Fewer rows may be computed by other kernels, in another order of summation.
        alone, alone_grad = plain.search.gradient(x, objective)
        near = {"atol": 1e-4, "rtol": 1e-4} if precision == "fp32" else {"atol": 0.1, "rtol": 0.1}
        torch.testing.assert_close(logits, alone, **near)
        torch.testing.assert_close(grad, alone_grad, **near)
    assert fixed.graph_fault == ""


@pytest.fixture
def fixed() -> Iterator[Engine]:
    return build_engine(frozen(convolutional), X, "fp32", make=recorded)


def test_only_real_rows_are_counted(fixed: Engine) -> None:
    fixed.fit(16)
    fixed.search.logits(X[:3])
    fixed.search.gradient(X[:5], objective, eot=2)
    assert (fixed.search.forwards, fixed.search.backwards) == (13, 10)


def test_what_a_pass_returned_outlives_the_next(fixed: Engine) -> None:
    fixed.fit(16)
    first = fixed.search.logits(X[:3])
    logits, grad = fixed.search.gradient(X[:16], objective)
    kept = [t.clone() for t in (first, logits, grad)]
    fixed.search.gradient(1 - X[:16], objective)
    assert all(torch.equal(a, b) for a, b in zip(kept, (first, logits, grad), strict=True))


def test_more_rows_than_the_ladder_holds_and_none_at_all_pass_as_they_are(fixed: Engine) -> None:
    plain = build_engine(frozen(convolutional), X, "fp32")
    fixed.fit(8)
    assert torch.equal(fixed.search.logits(X), plain.search.logits(X))
    assert fixed.search.logits(X[:0]).shape == (0, 5)


def test_the_model_itself_is_never_padded() -> None:
    seen: list[int] = []
    model = frozen(linear)
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    engine = build_engine(model, X, "fp32", make=recorded)
    engine.fit(16)
    seen.clear()
    engine.plain.logits(X[:3])
    engine.plain.gradient(X[:5], objective)
    assert seen == [3, 5]


class Mixes(nn.Module):
    """Its images see their batch's mean."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)).flatten(1)[:, :5]


class Randomised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x + 0.1 * torch.randn_like(x)).flatten(1)[:, :5]


class RandomLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1)[:, :5]
        return z + 0.05 * torch.rand_like(z)


@pytest.mark.parametrize("kind", [Mixes, Randomised, RandomLast])
def test_models_whose_images_interact_or_that_are_random_meet_no_padded_rows(
    kind: type[nn.Module],
) -> None:
    engine = build_engine(kind().eval(), X, "fp32", make=recorded)
    assert engine.search.rungs is None


def wrong_logits(road: Road, x: Tensor) -> Road:
    return lambda given: road(given) + torch.arange(5.0)


def wrong_gradient(road: Road, x: Tensor) -> Road:
    return lambda given: road(given.detach()) + 0 * given.sum()


def stale(road: Road, x: Tensor) -> Road:
    """Always of the images that it was recorded with."""
    return lambda given: road(x) + 0 * given.sum()


def raises(road: Road, x: Tensor) -> Road:
    raise RuntimeError("operation not permitted when stream is capturing")


def raises_later(road: Road, x: Tensor) -> Road:
    def fails(given: Tensor) -> Tensor:
        raise ValueError("worn out")

    return fails


def out_of_memory(road: Road, x: Tensor) -> Road:
    raise torch.OutOfMemoryError("CUDA out of memory")


BAD = [wrong_logits, wrong_gradient, stale, raises, raises_later, out_of_memory]


@pytest.mark.parametrize("make", BAD)
def test_a_graph_that_fails_or_disagrees_is_never_used(make: Callable[..., Road]) -> None:
    plain = build_engine(frozen(convolutional), X, "fp32")
    engine = build_engine(frozen(convolutional), X, "fp32", make=make)
    assert engine.is_copy
    assert engine.graph_fault != ""
    engine.fit(16)
    assert torch.equal(engine.search.logits(X[:5]), plain.search.logits(X[:5]))


@pytest.mark.parametrize("make", BAD)
def test_a_graph_that_fails_at_a_later_size_is_never_used(make: Callable[..., Road]) -> None:
    plain = build_engine(frozen(convolutional), X, "fp32")
    engine = build_engine(
        frozen(convolutional),
        X,
        "fp32",
        make=lambda r, x: (recorded if len(x) < 17 else make)(r, x),
    )
    assert engine.graph_fault == ""
    engine.fit(17)
    assert torch.equal(engine.search.logits(X), plain.search.logits(X))
    assert engine.graph_fault != ""
    assert torch.equal(engine.search.logits(X[:5]), plain.search.logits(X[:5]))


def test_a_size_is_made_once_and_given_up_with_its_ladder() -> None:
    made: list[int] = []

    def counted(road: Road, x: Tensor) -> Road:
        made.append(len(x))
        return recorded(road, x)

    engine = build_engine(frozen(linear), X, "fp32", make=counted)
    made.clear()
    for batch_size in (64, 32, 64):  # as when memory ran out, and as in a later job
        engine.fit(batch_size)
        for n in (40, 33, 20, 20):
            engine.search.logits(X[torch.arange(n) % 17])
    assert made == [64, 32, 64]


def test_no_pass_makes_the_host_wait(fixed: Engine) -> None:
    fixed.fit(16)
    fixed.search.gradient(X[:16], objective)  # makes the size, which is proven once
    weights = torch.linspace(-1, 1, 5)
    with no_waiting():
        for n in (1, 7, 15, 16):
            fixed.search.logits(X[:n])
            fixed.search.gradient(X[:n], lambda z: z @ weights, eot=2)
