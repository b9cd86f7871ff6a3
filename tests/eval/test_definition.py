import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eval.data import ImageSet
from eval.definition import definition_sha256, weights_sha256
from eval.errors import JournalError
from eval.evaluation import evaluate


class Scaled(nn.Module):
    """A normalisation that no weight file holds, as a buffer and as a number."""

    def __init__(self, mean: float = 0.5, scale: float = 2.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([mean]), persistent=False)
        self.scale = scale
        self.fc = nn.Linear(4, 2)


def nets(act: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 2))


def test_a_copy_has_the_same_digest() -> None:
    net = nets(nn.SiLU())
    assert definition_sha256(net) == definition_sha256(copy.deepcopy(net))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nets(nn.SiLU()), nets(nn.ReLU())),
        (nets(nn.CELU(1.0)), nets(nn.CELU(2.0))),
        (Scaled(mean=0.5), Scaled(mean=0.4)),
        (Scaled(scale=2.0), Scaled(scale=1.0)),
    ],
)
def test_networks_with_the_same_weights_that_compute_something_else_differ(
    one: nn.Module, other: nn.Module
) -> None:
    other.load_state_dict(one.state_dict())
    assert weights_sha256(one) == weights_sha256(other)
    assert definition_sha256(one) != definition_sha256(other)


def test_a_network_does_not_find_the_verdicts_of_another_with_the_same_weights(
    tiny_data: ImageSet, tmp_path: Path
) -> None:
    def net(act: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), act, nn.Linear(8, 5)).eval()

    said: list[str] = []
    options: dict[str, Any] = {"attack": "pgd-2", "on_message": said.append}
    journal = tmp_path / "run.sqlite"
    evaluate(net(nn.SiLU()), tiny_data, journal=journal, **options)
    with pytest.raises(JournalError, match="definition: "):
        evaluate(net(nn.ReLU()), tiny_data, journal=journal, **options)
    evaluate(net(nn.ReLU()), tiny_data, journal=tmp_path, **options)
    assert not any("verdicts known" in text for text in said)
    evaluate(net(nn.SiLU()), tiny_data, journal=journal, **options)
    assert any("verdicts known" in text for text in said)
