"""APGD, FAB and Square against problems whose answer is known."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from eval import evaluate
from eval.attacks import build
from eval.attacks.apgd import APGD, checkpoint_gaps
from eval.attacks.fab import FAB
from eval.attacks.square import Square, edges
from eval.attacks.square_l2 import pattern
from eval.data import ImageSet
from eval.engine.net import Net
from eval.protocols import protocol
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task

STAGES = {stage.name: stage for stage in protocol("autoattack").stages}


@pytest.mark.parametrize("stage", ["apgd-ce", "apgd-t", "fab-t"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_gradient_attacks_find_the_line_between_broken_and_robust(
    linear: Callable[..., nn.Module], stage: str, norm: str, n: int
) -> None:
    w = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(n))
    x = 0.4 + 0.2 * torch.rand(n, 2, 3, 3, generator=torch.Generator().manual_seed(n + 1))
    dual = float(w.abs().sum() if norm == "Linf" else w.norm())
    margins = (x * w).flatten(1).sum(1)
    model = linear(w, float(margins.max()) + 0.1 * dual)  # every image is of class 0
    distance = (model(x)[:, 0] / dual).tolist()  # to the plane, in the norm
    images = task(model, x, torch.zeros(n, dtype=torch.long))
    for eps, is_broken in ((min(distance) * 0.98, False), (max(distance) * 1.02, True)):
        search = stepped(build(STAGES[stage], Threat(norm, str(eps)), 2), model, images, 40)
        assert set(search.is_hit.tolist()) == {is_broken}


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_fab_stops_at_the_nearest_adversarial_image(
    linear: Callable[..., nn.Module], norm: str
) -> None:
    w = torch.tensor([[[0.6, -0.2], [0.3, 0.1]]])
    x = torch.full((1, 1, 2, 2), 0.5)
    dual = float(w.abs().sum() if norm == "Linf" else w.norm())
    model = linear(w, float((w * x).sum()) + 0.2 * dual)
    fab = FAB(Threat(norm, "1"), is_targeted=True, n_classes=2)
    search = stepped(fab, model, task(model, x, torch.tensor([0])))
    # The plane is 0.2 away; the overshoot of 5 % shrinks with each step back.
    assert float(-search.best_score) == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_no_candidate_leaves_the_ball(tiny_net: nn.Module, tiny_data: ImageSet, norm: str) -> None:
    threat = Threat(norm, "1/20" if norm == "Linf" else "1/2")
    batch = tiny_data.batch(range(20))
    for stage in protocol("autoattack-plus").stages:
        images = task(tiny_net, batch.x)
        search = stepped(build(stage, threat, 5), tiny_net, images, 25)
        hits = search.is_hit
        assert threat.contains(search.candidate[hits], images.x[hits]).all()
        fooled = tiny_net(search.candidate[hits]).argmax(1) != images.y[hits]
        assert fooled.all(), stage.name


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_square_never_loses_ground_and_needs_no_gradient(
    tiny_net: nn.Module, tiny_data: ImageSet, norm: str
) -> None:
    batch = tiny_data.batch(range(8))
    images = task(tiny_net, batch.x)
    square = Square(Threat(norm, "1/50" if norm == "Linf" else "1/4"))
    net = Net(tiny_net)
    search = stepped(square, net, images, 0)
    for _ in range(60):
        before = search.margin.clone()
        square.step(net, search)
        assert (search.margin >= before).all()
    assert net.backwards == 0
    assert square.threat.contains(search.x_best, images.x).all()


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("n_channels", [1, 11, 12, 13, 14, 33, 64])
def test_square_takes_images_of_any_number_of_channels(norm: str, n_channels: int) -> None:
    torch.manual_seed(n_channels)
    net = nn.Sequential(nn.Flatten(), nn.Linear(n_channels * 36, 4)).eval()
    x = torch.rand(5, n_channels, 6, 6)
    images = task(net, x)
    square = Square(Threat(norm, "1/100"))
    before = stepped(square, net, images, 0).margin
    search = stepped(square, net, images, 40)
    assert (search.margin >= before).all()
    assert (search.margin > before).any()
    changed = (search.x_best - x).abs().amax((2, 3))
    assert (changed > 0).all()  # in every channel
    assert square.threat.contains(search.x_best, x).all()


def test_square_halves_its_window_on_the_published_schedule() -> None:
    square, x = Square(Threat("Linf", "1/10")), torch.zeros(6, 3, 32, 32)
    k = torch.tensor([0, 10, 11, 200, 1001, 4001])
    share = [0.8, 0.8, 0.4, 0.2, 0.8 / 32, 0.8 / 128]
    assert square._sides(k, x).tolist() == [round((p * 1024) ** 0.5) for p in share]


def test_windows_have_their_side_and_reach_every_corner() -> None:
    x = torch.zeros(500, 1, 6, 5)
    side = torch.full((500,), 3)
    rows, columns = edges(x, side, torch.rand(500, 2, generator=torch.Generator().manual_seed(0)))
    masks = rows[:, :, None] * columns[:, None]
    assert masks.shape == (500, 6, 5)
    assert (masks.flatten(1).sum(1) == 9).all()
    assert masks.amax(0).min() == 1


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_queries_drawn_ahead_are_those_that_would_be_drawn_one_by_one(
    norm: str, monkeypatch: pytest.MonkeyPatch, tiny_net: nn.Module
) -> None:
    images = task(tiny_net, torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(4)))
    found = []
    for ahead in (32, 1, 5):
        monkeypatch.setattr("eval.attacks.square.AHEAD", ahead)
        found.append(stepped(Square(Threat(norm, "1/20"), n_steps=70), tiny_net, images))
    for other in found[1:]:
        assert torch.equal(found[0].x_best, other.x_best)
        assert torch.equal(found[0].margin, other.margin)


def test_the_l2_pattern_has_unit_length_and_two_signs() -> None:
    for side in (1, 2, 3, 5, 9):
        eta = pattern(side)
        assert float(eta.norm()) == pytest.approx(1, abs=1e-5)
    assert (pattern(5)[:2] > 0).all()
    assert (pattern(5)[2:] < 0).all()


def test_apgd_has_the_checkpoints_of_the_paper() -> None:
    gaps = checkpoint_gaps(100)
    # p = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 (section 3.1).
    assert [k for k, gap in enumerate(gaps) if gap] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert [gap for gap in gaps if gap] == [22, 19, 16, 13, 10, 7, 6, 6]


def test_apgd_halves_its_step_where_the_loss_no_longer_rises(
    linear: Callable[..., nn.Module],
) -> None:
    x = torch.full((1, 1, 2, 2), 0.5)
    model = linear(torch.tensor([[[1.0, -1.0], [1.0, 1.0]]]), 3.0)  # out of reach
    apgd = APGD(Threat("Linf", "1/10"), "ce")
    search = stepped(apgd, model, task(model, x, torch.tensor([0])))
    assert float(search.step_size) < 0.2 / 16
    torch.testing.assert_close(search.x_best - x, 0.1 * model.weight.sign()[None])


def test_a_model_with_three_classes_meets_all_its_targets() -> None:
    stage = STAGES["apgd-t"]
    assert build(stage, Threat("Linf", "1/10"), 3).n_runs == 2
    assert build(stage, Threat("Linf", "1/10"), 1000).n_runs == 9


def test_autoattack_of_ours_agrees_with_the_reference(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    few = tiny_data.take(20)
    ours, theirs = (
        evaluate(tiny_net, few, attack="autoattack", eps="1/60", engine=engine, precision="fp32")
        for engine in ("fast", "reference")
    )
    assert 0 < theirs.robust.correct < theirs.clean.correct
    assert ours.images.verdicts.count("robust") == theirs.images.verdicts.count("robust")
    assert [v == "robust" for v in ours.images.verdicts] == [
        v == "robust" for v in theirs.images.verdicts
    ]


def test_a_whole_run_does_not_depend_on_the_cut(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    verdicts = {
        evaluate(
            tiny_net, tiny_data.take(20), attack="autoattack-rand", eps="1/60", batch_size=size
        ).images.verdicts
        for size in (7, 64)
    }
    assert len(verdicts) == 1
