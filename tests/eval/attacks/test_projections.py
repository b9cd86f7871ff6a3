import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eval.attacks.projections import levelled, move_onto


def move(norm: str, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return move_onto(x, *levelled(w, b), norm)


def problem(seed: int, d: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(6, d, generator=generator)
    x[:, ::7] = 0.0  # pixels at their bounds cannot move outward
    w = torch.randn(6, d, generator=generator)
    w[:, ::5] = 0.0
    inside = torch.rand(6, d, generator=generator)
    return x, w, (w * inside).sum(1)  # the plane meets the box: it holds `inside`


def by_bisection(x: Tensor, w: Tensor, b: Tensor, norm: str) -> Tensor:
    """Oracle: bisect the multiplier in float64."""
    x, w, b = x.double(), w.double(), b.double()
    gap = b - (w * x).sum(1)
    way = w.sign() * gap.sign()[:, None]
    room = torch.where(way > 0, 1 - x, x)
    speed = way.abs() if norm == "Linf" else w.abs()
    low, high = torch.zeros(len(x)).double(), torch.full((len(x),), 1e6).double()
    for _ in range(200):
        t = (low + high) / 2
        done = (torch.minimum(room, t[:, None] * speed) * w.abs()).sum(1)
        low, high = torch.where(done < gap.abs(), t, low), torch.where(done < gap.abs(), high, t)
    return torch.minimum(room, high[:, None] * speed) * way


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@given(seed=st.integers(0, 10_000))
def test_the_projection_is_the_bisected_one(norm: str, seed: int) -> None:
    x, w, b = problem(seed)
    d = move(norm, x, w, b)
    torch.testing.assert_close(d.double(), by_bisection(x, w, b, norm), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@given(seed=st.integers(0, 10_000))
def test_the_point_lies_on_the_plane_and_in_the_box(norm: str, seed: int) -> None:
    x, w, b = problem(seed)
    z = x + move(norm, x, w, b)
    assert float(z.min()) >= -1e-6
    assert float(z.max()) <= 1 + 1e-6
    torch.testing.assert_close((w * z).sum(1), b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_far_from_the_bounds_the_projection_is_the_textbook_one(norm: str) -> None:
    x, w = torch.full((1, 4), 0.5), torch.tensor([[1.0, -2.0, 0.5, 0.0]])
    b = (w * x).sum(1) + 0.07
    wanted = 0.07 * (w.sign() / w.abs().sum() if norm == "Linf" else w / w.square().sum())
    torch.testing.assert_close(move(norm, x, w, b), wanted)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_a_plane_out_of_reach_is_approached_as_far_as_the_box_allows(norm: str) -> None:
    x, w = torch.full((1, 3), 0.5), torch.tensor([[1.0, -2.0, 0.0]])
    d = move(norm, x, w, torch.tensor([100.0]))
    torch.testing.assert_close(d, torch.tensor([[0.5, -0.5, 0.0]]))


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_without_a_gradient_nothing_moves(norm: str) -> None:
    x = torch.rand(2, 5)
    d = move(norm, x, torch.zeros(2, 5), torch.tensor([0.3, -0.3]))
    assert torch.equal(d, torch.zeros(2, 5))


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@given(seed=st.integers(0, 10_000))
def test_several_points_move_onto_one_plane_as_each_would_alone(norm: str, seed: int) -> None:
    x, w, b = problem(seed)
    both = move(norm, torch.stack([x, x.flip(1)]), w, b)
    assert torch.equal(both[0], move(norm, x, w, b))
    assert torch.equal(both[1], move(norm, x.flip(1), w, b))


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@given(seed=st.integers(0, 10_000))
def test_no_row_of_a_projection_depends_on_the_others(norm: str, seed: int) -> None:
    x, w, b = problem(seed)
    b[0] *= 40  # out of reach: this row needs other steps than the rest
    alone = [move(norm, x[i : i + 1], w[i : i + 1], b[i : i + 1]) for i in range(len(x))]
    assert torch.equal(move(norm, x, w, b), torch.cat(alone))
