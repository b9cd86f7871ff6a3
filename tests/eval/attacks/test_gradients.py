"""Gradients that vanish, or are no numbers: the attack goes on, and what could not is counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import Report, evaluate
from eval.attacks import build, losses
from eval.attacks.gradients import usable
from eval.engine.net import Net
from eval.protocols import protocol
from eval.run import Progress
from eval.stage import Stage
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task

NAN, INF = float("nan"), float("inf")


def test_nan_counts_as_zero_and_infinity_as_the_largest_finite_entry() -> None:
    lines = [[NAN, 2.0, -3.0, 0.0], [INF, 2.0, -INF, NAN], [-INF, NAN, 0.0, NAN], [NAN, 0, 0, NAN]]
    found = usable(torch.tensor(lines).view(4, 1, 2, 2))
    wanted = [[0.0, 2.0, -3.0, 0.0], [2.0, 2.0, -2.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0] * 4]
    assert torch.equal(found.grad.view(4, 4), torch.tensor(wanted))
    assert found.is_odd.all()
    assert found.is_zero.tolist() == [False, False, False, True]


def test_a_gradient_of_finite_numbers_is_left_as_it_is() -> None:
    grad = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    grad[1], grad[2] = 0, 1e-42
    found = usable(grad)
    assert found.grad is grad
    assert not found.is_odd.any()
    assert found.is_zero.tolist() == [False, True, False, False]


class Confident(nn.Module):
    """Class 0 by `gap` logits; the boundary to class 1 is `distance` away along w, in L2."""

    def __init__(self, w: Tensor, gap: float, distance: float = 0.1, n_classes: int = 3) -> None:
        super().__init__()
        self.w = nn.Parameter(w / w.norm(), requires_grad=False)
        self.gap, self.distance, self.n_classes = gap, distance, n_classes

    def forward(self, x: Tensor) -> Tensor:
        reach = ((x - 0.5) * self.w).flatten(1).sum(1) / self.distance
        others = torch.full((len(x), self.n_classes - 2), -self.gap, device=x.device)
        return torch.cat([self.gap * torch.stack([1 - reach, reach - 1], 1), others], 1)


GREY = torch.full((4, 1, 3, 3), 0.5)
W = torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(7))


def measured(model: nn.Module, x: Tensor, **options: Any) -> Report:
    y = torch.zeros(len(x), dtype=torch.long)
    return evaluate(model.eval(), (x, y), **options)


@pytest.mark.parametrize("gap", [20.0, 60.0, 200.0, 1e4, 1e8])
@pytest.mark.parametrize("attack", ["fgsm", "pgd-30"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_a_confident_model_is_no_more_robust_than_it_is(attack: str, norm: str, gap: float) -> None:
    unit = W / W.norm()
    distance = 0.1 if norm == "L2" else 0.1 / float(unit.abs().sum())
    for n_classes in (2, 3, 10):
        model = Confident(W, gap, n_classes=n_classes)
        broken = measured(model, GREY, attack=attack, eps=str(distance * 1.02), norm=norm)
        assert broken.robust.correct == 0
        kept = measured(model, GREY, attack=attack, eps=str(distance * 0.98), norm=norm)
        assert kept.robust.correct == 4
        assert [flag.code for flag in kept.flags if "surviving" in flag.detail] == []


def searched(stage: Stage, model: nn.Module, x: Tensor) -> tuple[Tensor, Net]:
    attack, net = build(stage, Threat("L2", "1/5"), 3), Net(model)
    return stepped(attack, net, task(model, x)).is_hit, net


def test_without_the_fallback_the_search_stays_where_it_is_as_it_did() -> None:
    (stage,) = protocol("fgsm").stages
    model = Confident(W, 200.0)
    hit, net = searched(stage, model, GREY)
    assert hit.all()
    assert net.backwards == 8
    hit, net = searched(stage.model_copy(update={"fallback_loss": None}), model, GREY)
    assert not hit.any()
    assert net.backwards == 4


def test_where_the_gradient_does_not_vanish_the_steps_are_the_same_to_the_bit(
    tiny_net: nn.Module, tiny_data: Any
) -> None:
    batch = tiny_data.batch(range(20))
    (stage,) = protocol("pgd-10").stages
    ends = []
    for fallback in ("margin", None):
        attack = build(stage.model_copy(update={"fallback_loss": fallback}), Threat("L2", "1/2"), 5)
        search = stepped(attack, tiny_net, task(tiny_net, batch.x))
        ends.append(search.last_iterate())
        assert search.had_gradient.all()
        assert not search.had_nan.any()
    assert torch.equal(*ends)


class Stairs(nn.Module):
    """Images with a bright first pixel are seen in steps of 1/16, which have no slope."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        is_bright = flat[:, :1] > 0.7
        seen = torch.where(is_bright, (flat * 16).round() / 16, flat)
        score = seen[:, 1:].mean(1) - 0.9
        return torch.stack([-score, score], 1)


def stairs_images(n_bright: int, n: int = 12) -> Tensor:
    x = torch.full((n, 1, 2, 2), 0.4)
    x[:n_bright, 0, 0, 0] = 0.95
    return x


def count_of(report: Report, code: str) -> list[str]:
    """The details of the flags of that code which speak of a whole stage."""
    return [f.detail for f in report.flags if f.code == code and " step of " in f.detail]


@pytest.mark.parametrize("n_bright", [0, 1, 5, 12])
@pytest.mark.parametrize("attack", ["fgsm", "pgd-5", "pgd-sat-5"])
def test_survivors_without_any_gradient_are_counted_among_the_others(
    attack: str, n_bright: int
) -> None:
    report = measured(Stairs(), stairs_images(n_bright), attack=attack, eps="1/20", batch_size=4)
    assert report.robust.correct == 12
    details = count_of(report, "zero-gradient")
    assert len(details) == (n_bright > 0)
    for detail in details:
        assert detail.startswith(f"{n_bright} of 12 surviving images had no gradient in any step")


def test_each_stage_of_autoattack_counts_for_itself_and_square_has_none_to_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = protocol("autoattack-plus")
    few = [s.model_copy(update={"steps": 3, "restarts": 1}) for s in whole.stages]
    short = whole.model_copy(update={"stages": tuple(few)})
    monkeypatch.setattr("eval.evaluation.protocol", lambda *_, **__: short)
    report = measured(Stairs(), stairs_images(4), attack="autoattack-plus", eps="1/50")
    stages = [s.name for s in few if s.name != "square"]
    details = count_of(report, "zero-gradient")
    assert len(details) == len(stages)
    for stage, detail in zip(stages, details, strict=True):
        assert detail.startswith(
            f"4 of 12 surviving images had no gradient in any step of {stage}:"
        )


@pytest.mark.parametrize("moments", [[4], [6, 3], [9, 5, 4]])
@pytest.mark.parametrize("attack", ["pgd-5", "fgsm"])
def test_an_interrupted_run_counts_the_same(
    tmp_path: Path, moments: list[int], attack: str
) -> None:
    x = stairs_images(5)
    options = {"attack": attack, "eps": "1/20", "batch_size": 3}
    for moment in moments:
        calls = iter(range(moment))

        def interrupt(_: Progress, calls: Any = calls) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            measured(Stairs(), x, journal=tmp_path / "j", on_progress=interrupt, **options)
    resumed = measured(Stairs(), x, journal=tmp_path / "j", **options)
    again = measured(Stairs(), x, journal=tmp_path / "j", **options)
    undisturbed = measured(Stairs(), x, **options)
    for report in (resumed, again):
        assert count_of(report, "zero-gradient") == count_of(undisturbed, "zero-gradient") != []


class Rooted(nn.Module):
    """Linear in the roots of the pixels: a black pixel has an infinite slope, or NaN unused."""

    def __init__(self, w: Tensor, bias: float = 1.0) -> None:
        super().__init__()
        self.w, self.bias = nn.Parameter(w, requires_grad=False), bias

    def forward(self, x: Tensor) -> Tensor:
        score = (x.sqrt() * self.w).flatten(1).sum(1) - self.bias
        return torch.stack([-score, score], 1)


@pytest.mark.parametrize("n_black", [1, 3, 6])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("attack", ["fgsm", "pgd-40", "autoattack"])
def test_a_coordinate_without_a_number_does_not_end_the_search(
    attack: str, norm: str, n_black: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if attack == "autoattack":
        whole = protocol(attack)
        short = whole.model_copy(update={"stages": whole.stages[:1]})
        monkeypatch.setattr("eval.evaluation.protocol", lambda *_, **__: short)
    w = torch.full((1, 3, 3), 0.3)
    w.view(-1)[:n_black] = 0.0  # 0 times infinity
    x = torch.full((1, 3, 3), 0.25)
    x.view(-1)[:n_black] = 0.0
    n_used = 9 - n_black
    # All pixels that count rise alike in both norms, and the class changes when they rose by 0.1.
    bias = 0.3 * n_used * 0.35**0.5
    eps = 0.1 * (1 if norm == "Linf" else n_used**0.5)
    for factor, n_right in ((1.03, 0), (0.97, 2)):
        report = measured(
            Rooted(w, bias), torch.stack([x, x]), attack=attack, eps=str(eps * factor), norm=norm
        )
        assert report.robust.correct == n_right
        assert any(f.code == "nan-gradient" for f in report.flags)


@pytest.mark.parametrize("first", [0, 3, 7, 11])
def test_nan_is_counted_in_the_whole_run_and_not_in_its_first_batch_alone(first: int) -> None:
    x = torch.full((12, 1, 2, 2), 0.3)
    x[first:, 0, 0, 0] = 0.0
    w = torch.tensor([[[0.0, 0.2], [0.2, 0.2]]])
    report = measured(Rooted(w), x, attack="fgsm", eps="1/100", batch_size=3)
    (detail,) = count_of(report, "nan-gradient")
    assert detail.startswith(f"{12 - first} of 12 images had a gradient that was NaN or infinite")


class Cliff(nn.Module):
    """Linear, but NaN as soon as the first pixel, which has no weight, is above `edge`."""

    def __init__(self, w: Tensor, distance: float, edge: float = 0.52) -> None:
        super().__init__()
        self.w = nn.Parameter(w, requires_grad=False)
        self.distance, self.edge = distance, edge

    def forward(self, x: Tensor) -> Tensor:
        score = ((x - 0.5) * self.w).flatten(1).sum(1) - self.distance
        logits = torch.stack([-score, score, score - 1], 1)
        return torch.where(x.flatten(1)[:, :1] > self.edge, NAN, logits)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(
    "stage",
    ["pgd-50", "fgsm", "pgd-sat-50", "apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square"],
)
def test_a_model_that_breaks_down_nearby_is_neither_broken_by_it_nor_saved(
    stage: str, norm: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = protocol("autoattack-plus")
    if not any(s.name == stage for s in whole.stages):
        whole = protocol(stage)
    chosen = [
        s.model_copy(update={"steps": min(s.steps, 400), "restarts": 1})
        for s in whole.stages
        if s.name == stage
    ]
    short = whole.model_copy(update={"stages": tuple(chosen)})
    monkeypatch.setattr("eval.evaluation.protocol", lambda *_, **__: short)
    monkeypatch.setattr("tests.eval.attacks.test_gradients.NAN", value)
    w = torch.ones(1, 4, 4)
    w[0, 0, 0] = 0.0
    x = torch.full((3, 1, 4, 4), 0.5)
    eps = 0.1 if norm == "Linf" else 0.4
    reach = eps * float(w.abs().sum() if norm == "Linf" else w.norm())
    for share, n_right in ((0.5, 0), (1.05, 3)):
        report = measured(Cliff(w, share * reach), x, attack="pgd-1", eps=eps, norm=norm)
        assert report.robust.correct == n_right


def test_the_margin_of_an_image_without_finite_logits_is_below_every_other() -> None:
    logits = torch.tensor([[NAN, 0.0, 1.0], [0.0, INF, 1.0], [0.0, -INF, 1.0], [0.0, 1.0, 2.0]])
    assert losses.margin(logits, torch.zeros(4).long()).tolist() == [-INF, -INF, -INF, 2.0]


def test_the_last_iterate_counts_as_right_where_the_model_breaks_down(
    linear: Callable[..., nn.Module],
) -> None:
    class Always(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            moved = (x - 0.5).abs().flatten(1).amax(1, keepdim=True) > 1e-3
            return torch.where(moved, NAN, linear(torch.ones(1, 2, 2), 9.0)(x))

    report = measured(
        Always(), torch.full((3, 1, 2, 2), 0.5), attack="pgd-3", eps="1/10", last_iterate=True
    )
    assert report.robust.correct == 3
    assert report.stages[0].last_iterate_accuracy == 1
