"""A benchmark of a few steps on a tiny network."""

import pytest
import torch
from torch import nn

from eval.bench.contenders import Setup
from eval.data import ImageSet
from eval.protocols import Protocol, protocol
from eval.threat import Threat

CPU = torch.device("cpu")


def cut(name: str, steps: int) -> Protocol:
    few = tuple(s.model_copy(update={"steps": steps}) for s in protocol(name).stages)
    return Protocol(name=f"{name} cut", stages=few)


@pytest.fixture(scope="module")
def setup(tiny_net: nn.Module, tiny_data: ImageSet) -> Setup:
    return Setup(
        model=tiny_net,
        name="tiny",
        data=tiny_data.take(16),
        protocol=cut("autoattack", 3),
        threat=Threat("Linf", "1/40"),
        seed=0,
        batch_size=8,
        device=CPU,
    )
