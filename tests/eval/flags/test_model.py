from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate
from eval.data import ImageSet
from eval.flags.model import result_flags
from eval.report.report import StageResult


def codes(model: nn.Module, data: ImageSet, **options: Any) -> list[str]:
    report = evaluate(model.eval(), data, **{"attack": "pgd-2", "eps": "1/20", **options})
    return [flag.code for flag in report.flags]


class Wrapped(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net


def test_a_plain_network_has_no_flag(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    assert codes(tiny_net, tiny_data) == []


def test_saturated_logits_leave_images_without_a_gradient(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Saturated(Wrapped):
        def forward(self, x: Tensor) -> Tensor:
            z: Tensor = self.net(x) * 1e4
            return z

    assert "zero-gradient" in codes(Saturated(tiny_net), tiny_data)


def test_a_gradient_that_is_not_a_number_is_flagged(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Root(Wrapped):
        def forward(self, x: Tensor) -> Tensor:
            zero = (x - x).sum((1, 2, 3))[:, None]
            z: Tensor = self.net(x) + zero.sqrt()  # value 0, derivative 0 / 0
            return z

    assert "nan-gradient" in codes(Root(tiny_net), tiny_data)


def test_a_defence_that_optimises_is_flagged(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    class Purifies(Wrapped):
        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode(False), torch.enable_grad():
                y = x.detach().clone().requires_grad_()
                (grad,) = torch.autograd.grad(self.net(y).logsumexp(1).sum(), y)
            z: Tensor = self.net(x - 1e-3 * grad)
            return z

    assert "optimises-at-inference" in codes(Purifies(tiny_net), tiny_data)


def stage(name: str, broken: int, after: float) -> StageResult:
    return StageResult(
        name=name,
        attacked=100,
        broken=broken,
        rejected=0,
        accuracy_after=after,
        seconds=1.0,
        forwards=1,
        backwards=1,
    )


@pytest.mark.parametrize(
    ("stages", "wanted"),
    [
        ([stage("apgd-ce", 40, 0.5), stage("square", 2, 0.48)], []),
        ([stage("apgd-ce", 40, 0.5), stage("square", 3, 0.47)], ["square-breaks"]),
        ([stage("apgd-ce", 10, 0.8), stage("apgd-t", 300, 0.5)], ["protocol-gap"]),
        ([stage("pgd-50", 10, 0.8)], []),
    ],
)
def test_results_that_hint_at_masked_gradients_are_flagged(
    stages: list[StageResult], wanted: list[str]
) -> None:
    assert [flag.code for flag in result_flags(stages, 1000)] == wanted


def test_the_last_iterate_is_never_worse_for_the_defender_than_the_worst(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(
        tiny_net, tiny_data, attack="pgd-20", eps="1/20", step_size="eps/2", last_iterate=True
    )
    last = report.stages[0].last_iterate_accuracy
    assert last is not None
    assert report.robust.accuracy <= last <= report.clean.accuracy


@pytest.mark.parametrize(
    ("before", "is_said"),
    [([], False), (["fgsm"], False), (["pgd-10"], False), (["apgd-ce"], True), (["fab"], True)],
)
def test_square_tells_of_masking_only_after_an_attack_that_misses_little(
    before: list[str], is_said: bool
) -> None:
    stages = [*(stage(name, 10, 0.8) for name in before), stage("square", 5, 0.75)]
    codes = {flag.code for flag in result_flags(stages, 100)}
    assert ("square-breaks" in codes) == is_said
