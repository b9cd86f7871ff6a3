from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from eval import attack, evaluate
from eval.attacks.pgd import PGD, direction
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), n=st.sampled_from([1, 3, 8]))
def test_linf_pgd_reaches_the_linear_optimum(
    linear: Callable[..., nn.Module], seed: int, n: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(3, 4, 4, generator=generator)
    x = 0.2 + 0.6 * torch.rand(n, 3, 4, 4, generator=generator)
    y = torch.randint(0, 2, (n,), generator=generator)
    net, pgd = linear(w), PGD(Threat("Linf", "1/10"), 20, 0.025)
    x_adv = stepped(pgd, net, task(net, x, y)).last_iterate()
    # The score w.x grows fastest along sign(w); class 0 falls when it rises.
    side = torch.where(y == 0, 1.0, -1.0).view(n, 1, 1, 1)
    torch.testing.assert_close(x_adv, x + 0.1 * side * w.sign(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_l2_pgd_reaches_the_linear_optimum(linear: Callable[..., nn.Module], n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    w = torch.randn(3, 4, 4, generator=generator)
    x = 0.4 + 0.2 * torch.rand(n, 3, 4, 4, generator=generator)
    y = torch.zeros(n, dtype=torch.long)
    net, pgd = linear(w), PGD(Threat("L2", "1/4"), 60, 0.05)
    x_adv = stepped(pgd, net, task(net, x, y)).last_iterate()
    # Each step of fixed length is projected back: the angle to w shrinks geometrically.
    torch.testing.assert_close(x_adv, x + 0.25 * w / w.norm(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_the_line_between_broken_and_robust_is_the_distance_to_the_plane(
    linear: Callable[..., nn.Module], norm: str
) -> None:
    w = torch.tensor([[[0.6, -0.2], [0.3, 0.1]]])
    x = torch.full((8, 1, 2, 2), 0.5)
    length = float(w.abs().sum() if norm == "Linf" else w.norm())  # the dual norm
    distance = torch.linspace(0.05, 0.4, 8)
    for i, d in enumerate(distance.tolist()):
        # The plane w.x = bias lies `d` away on the far side of image i.
        model = linear(w, float((w * x[i]).sum()) + d * length)
        for eps, verdict in ((d * 1.02, "pgd-40"), (d * 0.98, "robust")):
            report = evaluate(
                model, (x[i : i + 1], torch.tensor([0])), attack="pgd-40", eps=str(eps), norm=norm
            )
            assert report.images.verdicts == (verdict,)


def test_fgsm_is_one_signed_step_of_eps_from_the_image(linear: Callable[..., nn.Module]) -> None:
    w, x = torch.randn(1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    # Nearly as far away as eps: whatever is not that corner leaves the image as it is.
    model = linear(w, float((w * x).sum()) + 0.124 * float(w.abs().sum()))
    found = attack(model, x, torch.tensor([0]), "fgsm", eps="1/8")
    torch.testing.assert_close(found.x_adv, x + w.sign() / 8)


def test_where_the_gradient_vanishes_the_direction_is_zero() -> None:
    zero = torch.zeros(1, 1, 2, 2)
    assert torch.equal(direction(zero, "Linf"), zero)
    assert torch.equal(direction(zero, "L2"), zero)
