"""Free training beside algorithm 1 of its paper, written down in plain PyTorch."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eval.errors import UsageError
from zoo.activations.activations import ACTIVATIONS
from zoo.cards import ModelCard
from zoo.model import ZooModel
from zoo.train.distributed import Ranks
from zoo.train.objective.free import Free
from zoo.train.recipe import Recipe
from zoo.train.step import Stepper, begin

Make = Callable[..., Recipe]
FREE = {"free_replays": 3, "attack_steps": 1, "attack_start": "image", "attack_step_size": "eps"}
EPS = 1 / 8


def batches(n: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of 16 pictures and a last one of 5."""
    stream = torch.Generator().manual_seed(5)
    sizes = [16] * (n - 1) + [5]
    return [
        (torch.rand(size, 1, 8, 8, generator=stream), torch.arange(size) % 10) for size in sizes
    ]


def without_dropout(card: ModelCard) -> ModelCard:
    return card.model_copy(update={"arch_args": {"width": 4}})


def started(card: ModelCard, recipe: Recipe) -> Stepper:
    stepper = begin(without_dropout(card), recipe, 10, Ranks())
    torch.manual_seed(0)
    return stepper


def test_the_weights_are_those_of_the_papers_algorithm(recipe: Make, tiny_card: ModelCard) -> None:
    chosen = recipe(**FREE, schedule="constant", momentum=0.5)
    mine = started(tiny_card, chosen)
    theirs = started(tiny_card, chosen)
    optimizer, delta = theirs.optimizer, torch.zeros(16, 1, 8, 8)
    for step, (x, y) in enumerate(batches(3), 1):
        mine.take(x, y, len(x), step=step, epoch=1)
        theirs.model.train()
        for _ in range(3):
            now = delta[: len(x)].clone()
            images = (x + now).clamp(0, 1).requires_grad_()
            optimizer.zero_grad()
            F.cross_entropy(theirs.model(images), y).backward()  # type: ignore[no-untyped-call]
            assert images.grad is not None
            delta[: len(x)] = (now + EPS * images.grad.sign()).clamp(-EPS, EPS)
            optimizer.step()
            theirs.schedule.step()
    assert mine.free is not None
    torch.testing.assert_close(mine.free.delta, delta)
    for a, b in zip(mine.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_step_says_the_mean_of_its_updates(recipe: Make, tiny_card: ModelCard) -> None:
    x, y = batches(2)[0]
    loss, right = started(tiny_card, recipe(**FREE, lr=1e-9)).take(x, y, 16, step=1, epoch=1)
    assert 16 * 0.5 < float(loss) < 16 * 10
    assert 0 <= float(right) <= 16


@pytest.mark.parametrize(("norm", "power"), [("Linf", torch.inf), ("L2", 2)])
def test_perturbations_stay_in_the_ball_and_are_handed_on(
    recipe: Make, tiny_card: ModelCard, norm: str, power: float
) -> None:
    stepper = started(tiny_card, recipe(**FREE, attack_norm=norm))
    free = stepper.free
    assert free is not None
    (x, y), (few, labels) = batches(2)
    stepper.take(x, y, 16, step=1, epoch=1)
    first = free.delta.clone()
    lengths = first.flatten(1).norm(p=power, dim=1)
    assert bool((lengths <= EPS + 1e-6).all())
    assert bool((lengths > EPS / 2).all())
    seen = free.images(few)
    assert torch.equal(seen.detach(), free.inner.threat.project(few + first[:5], few))
    assert bool(((seen >= 0) & (seen <= 1)).all())
    stepper.take(few, labels, 5, step=2, epoch=1)
    assert torch.equal(free.delta[5:], first[5:])  # a smaller batch has the first of them
    assert not torch.equal(free.delta[:5], first[:5])


def test_a_gradient_that_is_no_number_moves_nothing(recipe: Make, tiny_card: ModelCard) -> None:
    free = Free(ZooModel(nn.Identity(), tiny_card, None), recipe(**FREE), Ranks())
    images = free.images(torch.full((2, 1, 8, 8), 0.5))
    images.grad = torch.full_like(images, torch.nan)
    free.move(images)
    assert bool((free.delta == 0).all())


@pytest.mark.parametrize("name", ["relu-smooth-attacker", "relu-smooth-optimizer"])
def test_two_derivatives_cannot_share_one_gradient(
    recipe: Make, tiny_card: ModelCard, name: str
) -> None:
    model = ZooModel(ACTIVATIONS[name](), tiny_card, None)
    message = "^free_replays: 3 has one gradient for attacker and optimizer, and tiny-silu-sat one"
    with pytest.raises(UsageError, match=message):
        Free(model, recipe(**FREE), Ranks())
    assert Free(
        ZooModel(ACTIVATIONS["relu-smooth-backward"](), tiny_card, None), recipe(**FREE), Ranks()
    )
