"""Classes beyond what 16 bits hold: the targets of an image are still its own."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eval.begin import begun
from eval.data import from_tensors
from eval.protocols import Protocol, protocol
from eval.request import Request
from eval.run import Run
from eval.threat import Threat


class Wide(nn.Module):
    """Class 0 wins, the last class comes second, and all others never change."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def forward(self, x: Tensor) -> Tensor:
        score = x.flatten(1).mean(1) - 0.6
        logits = torch.full((len(x), self.n_classes), -9.0, device=x.device)
        logits = logits - torch.arange(self.n_classes, device=x.device) / self.n_classes
        ends = torch.stack([-score, score], 1)
        return torch.cat([ends[:, :1], logits[:, 1:-1], ends[:, 1:]], 1)


def run_of(n_classes: int) -> Run:
    stage = next(s for s in protocol("autoattack").stages if s.name == "apgd-t")
    x, y = torch.full((3, 1, 2, 2), 0.5), torch.zeros(3, dtype=torch.long)
    request = Request(
        data=from_tensors(x, y),
        threat=Threat("Linf", "0.11"),
        protocol=Protocol(name="short", stages=(stage.model_copy(update={"steps": 5}),)),
        precision="fp32",
        batch_size=2,
    )
    with begun(Wide(n_classes).eval(), request) as run:
        run.attack()
        return run


@pytest.mark.parametrize(
    ("n_classes", "dtype"),
    [
        (3, np.uint8),
        (256, np.uint8),
        (257, np.uint16),
        (32_769, np.uint16),
        (40_000, np.uint16),
        (65_537, np.uint32),
    ],
)
def test_the_likeliest_wrong_class_is_attacked_first_however_many_there_are(
    n_classes: int, dtype: type
) -> None:
    run = run_of(n_classes)
    assert run.clean.ranking.dtype == dtype
    assert run.clean.ranking[:, 0].tolist() == [n_classes - 1] * 3
    assert run.clean.ranking[:, 1].tolist() == [1] * 3
    assert run.verdicts == ("apgd-t",) * 3
