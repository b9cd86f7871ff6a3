"""Attacks of other libraries that go wrong: caught, named, counted, and never believed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import Report

N_RIGHT = 45

Act = Callable[[Any, Tensor, Tensor], object]
Details = Callable[[Report], dict[str, str]]


def raising(model: nn.Module, x: Tensor, y: Tensor) -> object:
    raise ValueError("no such thing")


def leaving(model: nn.Module, x: Tensor, y: Tensor) -> object:
    sys.exit(3)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (raising, "raised ValueError (no such thing)"),
        (leaving, "raised SystemExit"),
        (lambda m, x, y: None, "returned a NoneType"),
        (lambda m, x, y: x.numpy(), "returned a ndarray"),
        (lambda m, x, y: [x], "returned a list"),
        (lambda m, x, y: x[:-1], "returned shape (15, 3, 8, 8) for images of shape (16, 3, 8, 8)"),
        (lambda m, x, y: x.permute(0, 2, 3, 1), "returned shape (16, 8, 8, 3)"),
        (lambda m, x, y: x[:, :1], "returned shape (16, 1, 8, 8)"),
        (lambda m, x, y: x.to("meta"), "returned images on meta"),
        (lambda m, x, y: (255 * x).to(torch.uint8), "of type torch.uint8"),
        (lambda m, x, y: x.to_sparse(), "torch.sparse"),
    ],
)
def test_what_is_no_batch_of_images_is_named_and_counted(
    attacked: Callable[..., Report], details: Details, act: Act, said: str
) -> None:
    report = attacked(act)
    assert said in details(report)["attack-failed"]
    assert f"{N_RIGHT} of the {N_RIGHT} images" in details(report)["attack-failed"]
    assert report.robust is not None
    assert report.robust.correct == N_RIGHT


def test_other_stages_attack_what_a_failing_one_did_not(attacked: Callable[..., Report]) -> None:
    report = attacked(raising, attack="torchattacks:Told,pgd-5")
    assert [stage.attacked for stage in report.stages] == [N_RIGHT, N_RIGHT]
    assert report.stages[1].broken > 0


@pytest.mark.parametrize(
    ("act", "n_strange"),
    [
        (lambda m, x, y: x + 0.2, 0),
        (lambda m, x, y: 1 - x, 0),
        (lambda m, x, y: torch.rand(x.shape), 0),
        (lambda m, x, y: 2 * x - 0.5, 0),  # outside of [0, 1] too
        (lambda m, x, y: x * torch.nan, N_RIGHT),
        (lambda m, x, y: x + torch.inf, N_RIGHT),
    ],
)
def test_what_leaves_the_ball_is_refused_and_counted(
    attacked: Callable[..., Report], details: Details, act: Act, n_strange: int
) -> None:
    report = attacked(act)
    assert report.robust is not None
    assert report.robust.correct == N_RIGHT
    said = details(report)["attack-outside"]
    assert f"returned {N_RIGHT} of the {N_RIGHT} images" in said
    assert f"({n_strange} of them with NaN" in said


def test_a_claim_outside_counts_as_rejected(
    attacked: Callable[..., Report], tiny_net: nn.Module
) -> None:
    report = attacked(lambda m, x, y: 1 - x)
    x, y = report_images(report, tiny_net)
    n_fooled = int((tiny_net(1 - x).argmax(1) != y).sum())
    assert report.stages[0].rejected == n_fooled


def report_images(report: Report, net: nn.Module) -> tuple[Tensor, Tensor]:
    x = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    y = torch.tensor(report.images.labels)
    right = net(x).argmax(1) == y
    return x[right], y[right]


def test_what_it_prints_is_not_printed(
    attacked: Callable[..., Report], capsys: pytest.CaptureFixture[str]
) -> None:
    def prints(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        sys.stdout.write("{ not json")
        return x

    attacked(prints)
    assert capsys.readouterr().out == ""


def writes(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return x.mul_(0)


@pytest.mark.parametrize("act", [raising, writes, lambda m, x, y: 1 - x])
def test_a_later_session_says_the_same_of_a_fault(
    attacked: Callable[..., Report], details: Details, tmp_path: Path, act: Act
) -> None:
    journal = {"journal": tmp_path / "journal"}
    first = attacked(act, **journal)
    assert details(first)
    assert details(first) == details(attacked(act, **journal))
    assert details(attacked(lambda m, x, y: x, **journal)) == {}


def test_only_the_batch_that_failed_is_attacked_again(
    attacked: Callable[..., Report], details: Details, tmp_path: Path
) -> None:
    calls: list[int] = []

    def fails_once(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        calls.append(len(x))
        if len(calls) == 2:
            raise RuntimeError("once")
        return x

    first = attacked(fails_once, journal=tmp_path / "journal")
    assert "16 of the 45 images" in details(first)["attack-failed"]
    assert details(attacked(fails_once, journal=tmp_path / "journal")) == {}
    assert calls == [16, 16, 13, 16]


def test_memory_that_runs_out_makes_smaller_batches(
    attacked: Callable[..., Report], details: Details
) -> None:
    sizes: list[int] = []

    def hungry(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        if len(x) > 4:
            raise torch.OutOfMemoryError("out of memory")
        sizes.append(len(x))
        return x

    with pytest.warns(RuntimeWarning, match="out of memory in torchattacks:Told"):
        report = attacked(hungry)
    assert sum(sizes) == N_RIGHT
    assert details(report) == {}
