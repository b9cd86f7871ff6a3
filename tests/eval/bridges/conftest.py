"""An attack of another library that does what a test tells it."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor, nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.definition import weights_sha256
from tests.bridged import bridged

OPTIONS: dict[str, Any] = {"eps": "1/20", "batch_size": 16, "progress": False}
Act = Callable[[Any, Tensor, Tensor], object]


@pytest.fixture
def attacked(
    monkeypatch: pytest.MonkeyPatch, tiny_net: nn.Module, tiny_data: ImageSet
) -> Callable[..., Report]:
    """Evaluates with an attack of torchattacks that does what it is told."""
    package = bridged("torchattacks")

    def run(act: Act, **options: Any) -> Report:
        class Told(package.attack.Attack):  # type: ignore[misc, name-defined]
            def __init__(self, model: nn.Module, eps: float = 0.1) -> None:
                super().__init__("Told", model)
                self.eps = eps

            def forward(self, images: Tensor, labels: Tensor) -> object:
                return act(self.model, images, labels)

        monkeypatch.setattr(package, "Told", Told, raising=False)
        attack = options.pop("attack", "torchattacks:Told")
        before = weights_sha256(tiny_net)
        report = evaluate(tiny_net, tiny_data, attack=attack, **{**OPTIONS, **options})
        assert weights_sha256(tiny_net) == before
        assert not any(module.training for module in tiny_net.modules())
        return report

    return run


@pytest.fixture
def details() -> Callable[[Report], dict[str, str]]:
    """What the flags of a Report say, by code, without that of its protocol."""

    def said(report: Report) -> dict[str, str]:
        return {flag.code: flag.detail for flag in report.flags if flag.code != "upper-bound"}

    return said
