"""PGD as the released code of Smooth Adversarial Training evaluates."""

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.attacks import build
from eval.attacks.pgd import PGD
from eval.data import ImageSet
from eval.errors import UsageError
from eval.protocols import protocol
from eval.stage import step_in_pixels
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task

THREAT = Threat("Linf", "4/255")


def the(name: str, threat: Threat = THREAT) -> PGD:
    attack = build(protocol(name).stages[0], threat, 5)
    assert isinstance(attack, PGD)
    return attack


@pytest.fixture
def extremes() -> tuple[Tensor, Tensor]:
    """Images of which half the pixels lie at an end of the range."""
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(6, 3, 8, 8, generator=generator) * 2 - 0.5).clamp(0, 1)
    return x, torch.randint(0, 5, (6,), generator=generator)


def official(model: nn.Module, start: Tensor, x: Tensor, y: Tensor, n_steps: int) -> Tensor:
    """The released code's loop in its own units: x * 2/255 - 1 for pixels of 0 to 255."""
    eps = 4 * 2 / 255
    step = max(1 * 2 / 255, eps / n_steps)
    image, adv = x * 2 - 1, start * 2 - 1
    lower, upper = (image - eps).clamp_min(-1), (image + eps).clamp_max(1)
    for _ in range(n_steps):
        adv = adv.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model((adv + 1) / 2), y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, adv)
        adv = torch.clamp(adv.detach() + step * grad.sign(), lower, upper)
    return (adv + 1) / 2


@pytest.mark.parametrize("n_steps", [1, 3, 10])
def test_the_last_iterate_is_that_of_the_released_code(
    tiny_net: nn.Module, extremes: tuple[Tensor, Tensor], n_steps: int
) -> None:
    x, y = extremes
    pgd, images = the(f"pgd-sat-{n_steps}"), task(tiny_net, x, y)
    expected = official(tiny_net, stepped(pgd, tiny_net, images, 0).x_adv, x, y, n_steps)
    got = stepped(pgd, tiny_net, images).last_iterate()
    # A gradient at rounding's distance from 0 may take the other sign: none does here.
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_the_start_fills_the_ball_beyond_the_pixel_range(
    tiny_net: nn.Module, extremes: tuple[Tensor, Tensor]
) -> None:
    x, y = extremes
    images = task(tiny_net, x, y)
    start = stepped(the("pgd-sat-10"), tiny_net, images, 0).x_adv
    clipped = stepped(the("pgd-10"), tiny_net, images, 0).x_adv
    assert float(start.min()) < 0
    assert float(start.max()) > 1
    assert float((start - x).abs().max()) <= THREAT.eps + 1e-6
    torch.testing.assert_close(THREAT.project(start, x), clipped)


def test_a_start_outside_of_the_range_is_never_claimed() -> None:
    class Fooled(nn.Module):
        """Takes class 1 for class 0 wherever a pixel lies outside of [0, 1]."""

        def forward(self, x: Tensor) -> Tensor:
            outside = ((x < 0) | (x > 1)).flatten(1).any(1).float()
            return torch.stack([3 - 6 * outside, x.flatten(1).mean(1)], 1)

    x = torch.zeros(4, 3, 8, 8)
    report = evaluate(Fooled().eval(), (x, torch.zeros(4).long()), attack="pgd-sat-2", eps="4/255")
    assert report.robust.correct == 4
    assert report.stages[0].rejected == 0


def test_the_report_counts_last_iterates(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = evaluate(tiny_net, tiny_data, attack="pgd-sat-5", eps="8/255")
    assert report.protocol.name == "pgd-sat-5@1"
    assert report.stages[0].last_iterate_accuracy is not None
    assert report.stages[0].last_iterate_accuracy >= report.robust.accuracy


@pytest.mark.parametrize(
    ("n_steps", "eps", "size"),
    [(50, "4/255", "1/255"), (4, "4/255", "1/255"), (1, "4/255", "4/255"), (2, "8/255", "4/255")],
)
def test_the_step_is_one_level_or_the_share_of_eps_where_that_is_larger(
    n_steps: int, eps: str, size: str
) -> None:
    (stage,) = protocol(f"pgd-sat-{n_steps}").stages
    wanted = Threat("Linf", size).eps
    assert step_in_pixels(stage, Threat("Linf", eps).eps) == pytest.approx(wanted)


def test_the_name_carries_its_version_and_takes_no_step_size() -> None:
    assert protocol("pgd-sat-20") == protocol("PGD-SAT-20@1")
    assert protocol("pgd-sat-20").name == "pgd-sat-20@1"
    for name, step_size, message in (
        ("pgd-sat-20", "1/255", "goes with pgd-K only, not with attack 'pgd-sat-20'"),
        ("pgd-sat-0", None, "takes no step"),
        ("pgd-20@1", None, "unknown attack 'pgd-20@1'"),
        ("pgd-sat-20@2", None, "unknown attack 'pgd-sat-20@2'"),
    ):
        with pytest.raises(UsageError, match=message):
            protocol(name, step_size=step_size)


def test_the_larger_of_two_sizes_needs_both() -> None:
    (stage,) = protocol("pgd-3").stages
    broken = stage.model_copy(update={"step_size": "max(1/255, eps/0)"})
    with pytest.raises(UsageError, match=r"step size 'max\(1/255,eps/0\)' is not a positive"):
        step_in_pixels(broken, 0.1)
