"""Two linear models whose curves are known on paper, and images to measure them on."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from eval.curves.curve import Curve
from eval.data import ImageSet, from_tensors

EPS = "1/50:10/50:1/50"


def counts(found: Curve) -> list[int]:
    """How many images stand at each point of the first model."""
    return [point.accuracy.correct for point in found.series[0].points]


def codes(found: Curve) -> set[str]:
    """The flags of the first model."""
    return {flag.code for flag in found.series[0].flags}


@dataclass(frozen=True)
class Known:
    """A linear model, images that no ball of `EPS` touches the pixel range of, and its curve."""

    model: nn.Module
    weight: Tensor
    bias: float
    x: Tensor
    y: Tensor

    @property
    def images(self) -> ImageSet:
        return from_tensors(self.x, self.y)

    def stands(self, eps: float) -> list[bool]:
        """An image falls when its margin is less than eps times the 1-norm of the weight."""
        score = (self.x.double() * self.weight.double()).flatten(1).sum(1) - self.bias
        margin = torch.where(self.y == 1, score, -score)
        return (margin > eps * float(self.weight.abs().sum())).tolist()


@pytest.fixture(scope="session")
def known(linear: Callable[..., nn.Module]) -> Callable[[int], Known]:
    """known(seed): plain grey lies on the border of the model, so that nothing stands at 1/2."""
    draw = torch.Generator().manual_seed(11)
    x = 0.3 + 0.4 * torch.rand(40, 1, 4, 4, generator=draw)

    def made(seed: int) -> Known:
        weight = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(seed))
        bias = 0.5 * float(weight.sum())
        # Pushed away from the border by their label, so that images fall one after the other.
        y = (torch.arange(40) % 2).long()
        push = (2 * y - 1)[:, None, None, None] * torch.linspace(0, 0.2, 40)[:, None, None, None]
        here = (x + push * weight.sign()).clamp(0.25, 0.75)
        return Known(linear(weight, bias), weight, bias, here, y)

    return made
