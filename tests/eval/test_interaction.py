"""Images whose logits depend on the others in their batch: found out, and computed alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.data import ImageSet
from eval.engine.contract import fitted, interaction
from eval.report.report import Report


def measured(model: nn.Module, data: ImageSet, **options: Any) -> Report:
    return evaluate(model.eval(), data, **{"attack": "pgd-5", "eps": "1/20", **options})


def codes(report: Report) -> list[str]:
    return [flag.code for flag in report.flags]


class BatchStatistics(nn.Module):
    """Batch norm that never learned statistics: it takes those of the batch, in eval mode too."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.norm, self.net = nn.BatchNorm2d(3, track_running_stats=False), net

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(0.5 + 0.2 * self.norm(x))
        return z


class Attends(nn.Module):
    """Attention across the batch."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        return z + torch.softmax(z @ z.T, 1) @ z


class Remembers(nn.Module):
    """Adds a little of what the call before it computed."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.last = net, torch.zeros(5)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        before, self.last = self.last, z.detach().mean(0)
        return z + 0.1 * before


class ComparesWithTheFirst(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        return z - 0.2 * z[:1]


class DividesByTheNumber(ComparesWithTheFirst):
    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        return z / len(x)


class CountsPlaces(ComparesWithTheFirst):
    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        return z + 0.1 * torch.arange(len(x))[:, None] * torch.arange(5)


@pytest.mark.parametrize(
    "kind",
    [BatchStatistics, Attends, ComparesWithTheFirst, DividesByTheNumber, CountsPlaces],
)
def test_images_that_interact_are_computed_alone_and_flagged(
    kind: type[nn.Module], tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    data = tiny_data.take(24)
    reports = [measured(kind(tiny_net), data, batch_size=size, eps="1/50") for size in (24, 7, 1)]
    assert all("images-interact" in codes(report) for report in reports)
    assert len({report.images.verdicts for report in reports}) == 1


def test_a_model_that_remembers_is_flagged(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    assert {"images-interact", "randomised-forward"} & set(
        codes(measured(Remembers(tiny_net), tiny_data))
    )


def test_plain_random_and_coarse_models_do_not_interact(tiny_net: nn.Module) -> None:
    x = torch.rand(4, 3, 8, 8)

    def noisy(images: Tensor) -> Tensor:
        z: Tensor = tiny_net(images)
        return z + 0.1 * torch.randn_like(z)

    assert interaction(tiny_net, x, torch.float32) == ""
    assert interaction(noisy, x, torch.float32) == ""
    assert interaction(lambda i: tiny_net(i).bfloat16().float(), x, torch.bfloat16) == ""


def test_few_images_are_enough_to_try_a_model(tiny_net: nn.Module) -> None:
    for n in (1, 2, 3):
        classifier, flags = fitted(
            BatchStatistics(tiny_net).eval(), "few", torch.rand(n, 3, 8, 8), needs_gradient=True
        )
        assert classifier.contract.interacts == (n > 1)
        assert len(flags) == (n > 1)
