"""A gradient's size says nothing about its direction: every attack at scales from 1e-38 to 1e37."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.attacks import build
from eval.attacks.fab import FAB
from eval.attacks.pgd import direction
from eval.attacks.projections import levelled, move_onto
from eval.attacks.square_l2 import FIRST_SIGN, propose_l2
from eval.attacks.starts import tiles
from eval.protocols import protocol
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task

SCALES = [1e-38, 1e-30, 1e-20, 1e-12, 1e-6, 1.0, 1e6, 1e15, 1e25, 1e37]
STAGES = {stage.name: stage for stage in protocol("autoattack-plus").stages}


def entries(*shape: int, seed: int = 0) -> Tensor:
    """Between 1/8 and 1 in size, of either sign."""
    generator = torch.Generator().manual_seed(seed)
    size = 1 - 0.875 * torch.rand(shape, generator=generator)
    return size * torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_the_direction_of_a_step_does_not_depend_on_the_scale(norm: str, scale: float) -> None:
    grad = entries(5, 3, 4, 4)
    torch.testing.assert_close(
        direction(grad * scale, norm), direction(grad, norm), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_a_plane_is_the_same_plane_at_every_scale(norm: str, scale: float) -> None:
    x = torch.rand(6, 30, generator=torch.Generator().manual_seed(1))
    x[:, ::7] = 0.0
    w = entries(6, 30)
    b = (w * x.flip(1)).sum(1)
    scaled = move_onto(x, *levelled(w * scale, b * scale), norm)
    wanted = move_onto(x, *levelled(w, b), norm)
    torch.testing.assert_close(scaled, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scale", SCALES[1:6])  # a radius has at most 40 characters
def test_the_l2_projection_is_right_for_balls_of_every_size(scale: float) -> None:
    x = torch.zeros(4, 1, 3, 3)  # around zero, where float32 can hold so small a change
    delta = entries(4, 1, 3, 3).abs()
    ball, unit_ball = Threat("L2", repr(scale / 2)), Threat("L2", "1/2")
    got, wanted = ball.project(x + delta * scale, x), unit_ball.project(x + delta, x)
    torch.testing.assert_close(got / scale, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES[:6])
def test_square_moves_mass_in_balls_of_every_size(scale: float) -> None:
    x, keys = torch.zeros(4, 2, 10, 10), torch.arange(4) * 7919
    start = tiles(x, keys, 0.5)
    drawn = torch.rand(4, FIRST_SIGN + 2, generator=torch.Generator().manual_seed(2))
    side = torch.tensor([3, 5, 3, 7])
    small = propose_l2(start * scale, side, drawn, 0.5 * scale)
    torch.testing.assert_close(
        small / scale, propose_l2(start, side, drawn, 0.5), rtol=1e-4, atol=1e-5
    )


class Classes(nn.Module):
    """Logits `scale` times those of a linear model with 3 classes: the same planes between them."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(entries(3, 12, seed=4) * scale, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ self.weight.T


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-15, 1e-5, 1e5, 1e15, 1e30, 1e36])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("is_targeted", [True, False])
def test_fab_walks_the_same_way_at_every_scale(norm: str, is_targeted: bool, scale: float) -> None:
    x = 0.4 + 0.2 * torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for model in (Classes(1.0).eval(), Classes(scale).eval()):
        images = task(model, x)
        fab = FAB(Threat(norm, "1"), is_targeted, n_classes=2, n_steps=30)
        found.append(-stepped(fab, model, images).best_score)
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-36, 1e-25, 1e-12, 1.0, 1e3, 1e12, 1e30])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("attack", ["fgsm", "pgd-40"])
def test_the_line_between_broken_and_robust_does_not_depend_on_the_scale_of_the_logits(
    linear: Callable[..., nn.Module], attack: str, norm: str, scale: float
) -> None:
    w = entries(1, 3, 3)
    dual = float(w.abs().sum() if norm == "Linf" else w.norm())
    x = torch.full((2, 1, 3, 3), 0.5)
    x[1] += 0.01 * w.sign()
    distance = [0.08 - float((w * (one - 0.5)).sum()) / dual for one in x]
    model = linear(w * scale, (float((w * 0.5).sum()) + 0.08 * dual) * scale)
    for i, d in enumerate(distance):
        for eps, verdict in ((d * 1.03, attack), (d * 0.97, "robust")):
            data = (x[i : i + 1], torch.tensor([0]))
            report = evaluate(model, data, attack=attack, eps=str(eps), norm=norm)
            assert report.images.verdicts == (verdict,)


@pytest.mark.parametrize("scale", [1e-36, 1e-25, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("stage", ["apgd-dlr", "apgd-t", "fab-t", "fab"])
def test_autoattack_finds_it_at_every_scale_too(stage: str, norm: str, scale: float) -> None:
    x = 0.4 + 0.2 * torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    plain, model = Classes(1.0).eval(), Classes(scale).eval()
    y, weight = plain(x).argmax(1), plain.weight
    normal = weight[None] - weight[y][:, None]  # (B, 3, 12)
    dual = normal.abs().sum(2) if norm == "Linf" else normal.norm(dim=2)
    gap = plain(x).gather(1, y[:, None]) - plain(x)
    distance = (gap / dual).scatter(1, y[:, None], torch.inf).amin(1)
    images = task(model, x, y)
    for eps, is_broken in (
        (float(distance.max()) * 1.05, True),
        (float(distance.min()) * 0.95, False),
    ):
        attack = build(STAGES[stage], Threat(norm, repr(eps)), 3)
        found = torch.zeros(6, dtype=torch.bool)
        for target in range(2):
            found |= stepped(attack, model, images, 25, target).is_hit
        assert found.tolist() == [is_broken] * 6
