"""The protocol quick@1 in whole evaluations: few passes, an upper bound, the same whatever way."""

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eval import Report, attack, evaluate, evaluation, protocol
from eval.attacks import build
from eval.data import ImageSet, from_tensors
from eval.errors import UsageError
from eval.flags.bound import bound_flags
from eval.protocols import NAMES, Protocol
from eval.threat import Threat
from tests.eval.test_resume import evaluated_with_interruptions, same_findings

EPS = {"eps": "1/40", "precision": "fp32"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Protocol:
    """quick@1 with few of its steps, and two of its targets."""
    first, second = protocol("quick").stages
    stages = (
        first.model_copy(update={"steps": 4}),
        second.model_copy(update={"steps": 6, "targets": 2}),
    )
    cut = Protocol(name="quick@1", stages=stages)
    monkeypatch.setattr(evaluation, "protocol", lambda *_, **__: cut)
    return cut


def test_a_robust_image_costs_a_fifth_of_the_standard_at_the_most() -> None:
    def passes(name: str, n_classes: int) -> int:
        found = 0
        for stage in protocol(name).stages:
            most = build(stage, Threat("Linf", "8/255"), n_classes).most_passes()
            found += most.forwards + 2 * (most.gradients + most.exact_gradients)
        return found

    # Of FAB, about what it takes where nothing is crossed: a forward and a gradient a step.
    standard = 2 * 101 + 9 * 2 * 101 + 9 * 3 * 100 + 5000
    assert passes("autoattack", 10) >= standard
    assert standard >= 5 * passes("quick", 10)
    assert standard >= 5 * passes("quick", 1000)


def test_the_first_stage_is_that_of_the_standard() -> None:
    assert protocol("quick").stages[0] == protocol("autoattack").stages[0]


@pytest.mark.usefixtures("short")
def test_batches_and_order_change_no_verdict(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    whole = evaluate(tiny_net, tiny_data, attack="quick", batch_size=32, **EPS)
    assert {"apgd-ce", "apgd-near", "robust"} <= set(whole.images.verdicts)
    wanted = dict(zip(whole.images.ids, whole.images.verdicts, strict=True))
    order = random.Random(1).sample(range(60), 60)
    for size, data in ((1, tiny_data), (7, tiny_data), (5, tiny_data.select(order))):
        report = evaluate(tiny_net, data, attack="quick", batch_size=size, **EPS)
        assert dict(zip(report.images.ids, report.images.verdicts, strict=True)) == wanted


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("seed", range(3))
def test_an_interrupted_run_ends_like_an_undisturbed_one(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, seed: int
) -> None:
    options = {"attack": "quick", "batch_size": 8, **EPS}
    undisturbed = evaluate(tiny_net, tiny_data, **options)
    moments = random.Random(seed).choices(range(5, 80), k=4)
    resumed = evaluated_with_interruptions(
        tiny_net, tiny_data, moments, journal=tmp_path / "j", **options
    )
    assert same_findings(resumed, undisturbed)


def test_what_it_breaks_is_misclassified_inside_the_ball(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    batch = tiny_data.batch(range(60))
    found = attack(tiny_net, batch.x, batch.y, "quick", eps="1/40")
    wrong = found.is_adversarial
    assert {"apgd-ce", "apgd-near"} <= set(found.stages)
    assert bool((tiny_net(found.x_adv).argmax(1) != batch.y)[wrong].all())
    assert float((found.x_adv - batch.x).abs().max()) <= 1 / 40 + 1e-6
    assert 0 <= float(found.x_adv.min()) <= float(found.x_adv.max()) <= 1


class Line(nn.Module):
    """Planes of `n_classes` classes in two numbers of an image: the distances are known."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        angle = torch.arange(1, n_classes) * 0.7
        self.rows = (
            torch.stack([angle.cos(), angle.sin()], 1) * (1 + torch.arange(n_classes - 1))[:, None]
        )

    def forward(self, x: Tensor) -> Tensor:
        others = (x.flatten(1)[:, :2] - 0.5) @ self.rows.T - 0.1
        return torch.cat([torch.zeros_like(others[:, :1]), others], 1)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("n_classes", [2, 3, 4, 6])
def test_it_finds_the_line_between_broken_and_robust_for_any_number_of_classes(
    n_classes: int, norm: str
) -> None:
    net = Line(n_classes).eval()
    x, y = torch.full((2, 1, 2, 2), 0.5), torch.zeros(2, dtype=torch.long)
    dual = net.rows.abs().sum(1) if norm == "Linf" else net.rows.norm(dim=1)
    nearest = float((0.1 / dual).min())
    for share, verdict in ((0.98, "robust"), (1.02, "broken")):
        threat = {"eps": f"{share * nearest:.6f}", "norm": norm, "precision": "fp32"}
        # Without the first stage, which might find it too.
        second = protocol("quick").stages[1].model_copy(update={"steps": 20, "targets": 1})
        only = Protocol(name="near", stages=(second,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation, "protocol", lambda *_, only=only, **__: only)
            report = evaluate(net, from_tensors(x, y), attack="near", **threat)
        assert set(report.images.verdicts) == {"apgd-near" if verdict == "broken" else "robust"}


def test_the_untouched_model_comes_to_the_same_verdicts(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch, short: Protocol
) -> None:
    only = Protocol(name="near", stages=short.stages[1:])
    monkeypatch.setattr(evaluation, "protocol", lambda *_, **__: only)
    ours = evaluate(tiny_net, tiny_data, attack="near", **EPS)
    # The authors' package takes targets by their logits, so it is not asked for this stage.
    slow = evaluate(tiny_net, tiny_data, attack="near", engine="reference", **EPS)
    assert slow.images == ours.images


@pytest.mark.usefixtures("short")
def test_it_may_stop_early_and_goes_on_to_the_same_verdicts(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    options = {"attack": "quick", "batch_size": 4, **EPS}
    whole = evaluate(tiny_net, tiny_data, **options)
    part = evaluate(tiny_net, tiny_data, until=20, journal=tmp_path / "j", **options)
    assert part.robust.estimated
    assert part.estimate is not None
    low, high = part.estimate.full_run
    assert low <= whole.robust.accuracy <= high
    assert "upper-bound" in {flag.code for flag in part.flags}
    assert same_findings(evaluate(tiny_net, tiny_data, journal=tmp_path / "j", **options), whole)


@pytest.mark.usefixtures("short")
def test_its_reports_say_that_it_is_an_upper_bound(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(tiny_net, tiny_data, attack="quick", n=8, **EPS)
    assert [flag.code for flag in report.flags] == ["upper-bound"]
    assert "flag upper-bound" in repr(report)
    assert Report.model_validate_json(report.to_json()).flags == report.flags


def test_so_are_stages_of_autoattack_alone_and_lists_and_nothing_else() -> None:
    bounded = {protocol(name).name for name in NAMES if bound_flags(protocol(name))}
    alone = {f"{name}@1" for name in ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")}
    assert bounded == alone | {"quick@1"}
    assert bound_flags(protocol("pgd-50,square"))


@pytest.mark.parametrize("name", ["quick", "quick@1", "QUICK"])
def test_it_has_no_step_size_and_no_last_iterates_to_choose(name: str) -> None:
    with pytest.raises(UsageError, match=f"goes with pgd-K only, not with attack '{name}'"):
        protocol(name, step_size="1/255")
    with pytest.raises(UsageError, match=f"goes with pgd-K only, not with attack '{name}'"):
        protocol(name, last_iterate=True)
    with pytest.raises(UsageError, match=r"unknown attack 'quick@2': did you mean quick"):
        protocol("quick@2")
