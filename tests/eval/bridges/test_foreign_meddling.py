"""Attacks of other libraries that change what is not theirs: seen, put back, never believed."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eval import Report
from eval.errors import ModelError

N_RIGHT = 45

Act = Callable[[Any, Tensor, Tensor], object]
Details = Callable[[Report], dict[str, str]]


def zeroed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return x


def trained(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    model.train()
    model(x)
    return x


def frozen(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    model.requires_grad_(True)
    model(x).sum().backward()
    return x


def hooked(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    model.register_forward_hook(lambda module, given, logits: -logits)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda module, given, logits: -logits)
    return x


def patched(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.forward = lambda given: given[:, :5]  # type: ignore[method-assign]
    return x


def exchanged(model: Any, x: Tensor, y: Tensor) -> Tensor:
    inner = model.model.model
    inner[8] = nn.Linear(32, 5)
    return x


def raising_late(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    zeroed(model, x, y)
    raise RuntimeError("too late")


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (zeroed, "weights or statistics"),
        (trained, "modes"),
        (frozen, "gradients"),
        (hooked, "hooks"),
        (patched, "modules"),
        (exchanged, "modules"),
        (raising_late, "weights or statistics"),
    ],
)
def test_a_model_that_is_changed_is_put_back_before_anything_is_verified(
    attacked: Callable[..., Report], details: Details, act: Act, what: str
) -> None:
    report = attacked(act, attack="torchattacks:Told,pgd-5")
    assert f"the model's {what}" in details(report)["attack-meddled"]
    alone = attacked(act, attack="pgd-5")
    assert report.stages[0].broken == 0
    assert report.stages[1].broken == alone.stages[0].broken
    assert "model-changed" not in details(report)


def test_images_that_are_written_into_are_ours_again(
    attacked: Callable[..., Report], details: Details
) -> None:
    def writes(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        y.zero_()
        return x.mul_(0)

    report = attacked(writes)
    assert f"the images given to it ({N_RIGHT} images)" in details(report)["attack-meddled"]
    assert report.stages[0].broken == 0


def test_what_comes_back_may_not_be_changed_later(attacked: Callable[..., Report]) -> None:
    kept: list[Tensor] = []

    def keeps(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        for one in kept:
            one.zero_()
        kept.append(x.clone())
        return kept[-1]

    assert attacked(keeps).stages[0].broken == 0


def test_settings_of_torch_and_random_numbers_are_put_back(
    attacked: Callable[..., Report], details: Details
) -> None:
    def sets(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        return x

    before = torch.get_rng_state(), random.getstate()
    report = attacked(sets)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert "settings of torch" in details(report)["attack-meddled"]


def test_a_model_that_cannot_be_put_back_ends_the_run(
    attacked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_the_class(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        monkeypatch.setattr(nn.SiLU, "forward", lambda self, given: given)
        return x

    with pytest.raises(ModelError, match="cannot be put back"):
        attacked(breaks_the_class)
