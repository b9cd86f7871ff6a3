"""Fixtures that several rooms of the tests use."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor, nn

from eval.data import ImageSet, from_tensors
from tests.commandline import sat_zoo
from tests.driveserver import drive
from tests.hubserver import hub
from tests.sharing import ByFile

__all__ = ["drive", "hub", "sat_zoo"]  # fixtures

# Tiny networks gain nothing from threads, and tests run in parallel processes.
torch.set_num_threads(1)

# `--precision auto` is fp32 on all processors then, also on those with bf16 of their own, where a
# search takes other passes than the tests count; those about bf16 ask for it by name.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

# How long an example takes, or takes to be drawn, says nothing about the code on a shared machine.
hypothesis.settings.register_profile(
    "sat-zoo", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("sat-zoo")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the developer's own weights, journals, settings, data and token out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAT_ZOO_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("SAT_ZOO_CONFIG", os.devnull)
        patch.setenv("SAT_ZOO_DRIVE_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        for name in ("SAT_ZOO_DATA", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        yield


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout, which holds reference data too large to ship."""
    if not SHARED.is_dir():
        if os.environ.get("REQUIRE_SHARED"):
            pytest.fail(f"REQUIRE_SHARED is set, but {SHARED} is not there")
        pytest.skip("needs the folder `shared` beside the checkout (reference data, not shipped)")
    return SHARED


class Linear(nn.Module):
    """Two classes with logits (-w.x + b, w.x - b): its nearest adversarial image is known."""

    def __init__(self, weight: Tensor, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        score = (x * self.weight).flatten(1).sum(1) - self.bias
        return torch.stack([-score, score], 1)


@pytest.fixture(scope="session")
def linear() -> Callable[..., Linear]:
    return lambda weight, bias=0.0: Linear(weight, bias).eval()


@pytest.fixture(scope="session")
def tiny_net() -> nn.Module:
    """Five classes on 3x8x8 images, smooth, with batch norm: the smallest net that can break."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 5),
        )
        net(torch.rand(64, 3, 8, 8))  # gives the batch norms statistics worth folding
        for parameter in net.parameters():
            parameter.data *= 2
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_data(tiny_net: nn.Module) -> ImageSet:
    """60 random images; three of four carry the label that `tiny_net` gives them."""
    x = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    y = tiny_net(x).argmax(1)
    y[::4] = (y[::4] + 1) % 5
    return from_tensors(x, y)
