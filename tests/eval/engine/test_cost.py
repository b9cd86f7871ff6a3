"""Memory is measured without what counts multiply-adds, and without torch's compiler."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch._dynamo
from torch import nn

from eval.engine import cost
from eval.engine.cost import measure_cost, memory_bytes

ROOT = Path(__file__).resolve().parents[3]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        logits: torch.Tensor = self.head(self.inner(mixed, mixed, mixed)[0].mean(1))
        return logits


NETWORKS = [
    nn.Sequential(nn.Flatten(), nn.Linear(8 * 49, 16), nn.SiLU(), nn.Linear(16, 3)),
    nn.Sequential(
        nn.Conv2d(8, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(144, 3),
    ),
    nn.Sequential(nn.ConvTranspose2d(8, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    Attention(),
]


@pytest.mark.parametrize("net", NETWORKS, ids=["linear", "conv", "transposed", "attention"])
def test_memory_is_the_same_with_and_without_formulas(net: nn.Module) -> None:
    x = torch.rand(1, 8, 7, 7)
    assert memory_bytes(net.eval(), x) == measure_cost(net.eval(), x).memory_bytes > 0


@pytest.mark.parametrize("net", NETWORKS, ids=["linear", "conv", "transposed", "attention"])
def test_the_meter_that_the_compiler_must_not_trace_measures_the_same(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.rand(1, 8, 7, 7)
    guarded = measure_cost(net.eval(), x)
    monkeypatch.setattr(cost, "_GuardedMeter", cost._Meter)
    assert measure_cost(net.eval(), x) == guarded


def test_timms_layers_are_folded_where_timm_was_imported_after_the_engine() -> None:
    code = """
import sys
import torch
import torch._dynamo
from torch import nn
from eval.engine.folding import fold_batch_norm
plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
assert fold_batch_norm(plain, torch.rand(2, 3, 8, 8)) == 1
assert "timm" not in sys.modules
from timm.layers import BatchNormAct2d, Conv2dSame
net = nn.Sequential(Conv2dSame(3, 4, 3), BatchNormAct2d(4)).eval()
x = torch.rand(2, 3, 8, 8)
before = net(x)
assert fold_batch_norm(net, x) == 1
assert type(net[1]) is not BatchNormAct2d
torch.testing.assert_close(net(x), before, atol=1e-5, rtol=0)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
