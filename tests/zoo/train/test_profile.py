"""Where a training step's time goes: kinds by name, sums by arithmetic."""

from collections.abc import Callable

import pytest
import torch
from click.testing import CliRunner

from zoo import card
from zoo.cards import ModelCard
from zoo.train import profile as tool
from zoo.train.profile import REST, Profile, kind_of, profile
from zoo.train.recipe import Recipe, read_recipe


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["aten::mkldnn_convolution", "aten::conv2d"], "convolutions"),
        (["aten::convolution_backward", "ConvolutionBackward0"], "convolutions"),
        (["aten::native_batch_norm"], "batch norm"),
        (["aten::silu_backward"], "activations"),
        (["aten::gelu"], "activations"),
        (["aten::mul", "SmoothReLUFunction"], "activations"),
        (["aten::threshold_backward"], "activations"),
        (["aten::add_", "Optimizer.step#SGD.step"], "optimizer"),
        (["aten::_foreach_lerp_"], "optimizer"),
        (["aten::add_", "autograd::engine::evaluate_function: AddBackward0"], REST),
    ],
)
def test_an_operation_is_of_the_kind_that_its_name_says(names: list[str], kind: str) -> None:
    assert kind_of(names) == kind


def test_the_roof_is_what_a_matrix_product_would_make_of_the_convolutions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = card("resnet8-silu-sat-digits")
    recipe = read_recipe(info).model_copy(update={"batch_size": 8})
    monkeypatch.setattr(tool, "matmul_peak", lambda *_: 50.0)
    monkeypatch.setattr(tool, "_watched", lambda *_: {"convolutions": 0.01, REST: 0.03})
    found = profile(info, recipe, torch.device("cpu"), 1)
    arithmetic = 2 * 763_520 * 13 * 8  # PGD-5 and training are 13 passes
    assert found.gflops == pytest.approx(arithmetic / 0.01 / 1e9)
    assert found.roof == pytest.approx(8 / (arithmetic / 50e9))
    assert found.images_per_second == pytest.approx(200)
    assert found.lines() == [
        "| of a step | ms | % |",
        "|---|---|---|",
        "| all else | 30 | 75 |",
        "| convolutions | 10 | 25 |",
        "",
        "convolutions run at 16 of 50 GFLOP/s; 200 images/s, the roof is 2519",
    ]


def test_a_real_step_is_divided_among_the_kinds(
    recipe: Callable[..., Recipe], tiny_card: ModelCard
) -> None:
    found = profile(tiny_card, recipe(ema_decay=0.9), torch.device("cpu"), 1)
    assert set(found.seconds) == {*tool.KINDS, REST}
    assert all(spent > 0 for spent in found.seconds.values())
    assert found.gflops == 0.0, "the card does not say what a pass costs"
    assert found.roof == float("inf")


def test_the_command_says_what_it_watched_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Profile(batch_size=4, seconds={REST: 1.0}, gflops=1.0, peak=2.0, roof=3.0)
    monkeypatch.setattr(tool, "profile", lambda *_: found)
    arguments = ["--model", "resnet8-silu-sat-digits", "--batch-size", "4"]
    done = CliRunner().invoke(tool.command, arguments)
    assert done.exit_code == 0, done.output
    first = done.output.splitlines()[0]
    assert first.startswith("resnet8-silu-sat-digits, batch 4, 13 passes, ")
    assert first.endswith(f"torch {torch.__version__}")
