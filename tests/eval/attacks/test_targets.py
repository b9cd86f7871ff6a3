"""Which classes targeted APGD tries, against models whose nearest boundaries are known."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from eval.attacks import build
from eval.attacks.search import Task
from eval.attacks.targets import nearest_first
from eval.engine.net import Net
from eval.protocols import protocol
from eval.stage import Stage
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task
from tests.nosync import no_waiting

NEAR: Stage = protocol("quick").stages[1]


class Planes(nn.Module):
    """Logits W x + b: the boundary of every two classes is a plane."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).to(self.weight) @ self.weight.T + self.bias


def planes(seed: int, n_classes: int) -> Planes:
    """Rows of very different lengths, so that the likeliest class is often not the nearest."""
    random = torch.Generator().manual_seed(seed)
    scale = 10 ** (2 * torch.rand(n_classes, 1, generator=random) - 1)
    weight = scale * torch.randn(n_classes, 12, generator=random)
    return Planes(weight, torch.randn(n_classes, generator=random))


def images(n: int = 8) -> Tensor:
    return torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def chosen(net: nn.Module, whole: Task, n: int = 20, norm: str = "Linf") -> list[list[int]]:
    ranking: list[list[int]] = nearest_first(Net(net), whole, n, norm).ranking.tolist()
    return ranking


def distances(net: Planes, whole: Task, norm: str) -> Tensor:
    """(B, R) in float64, to the plane between y and each class of the ranking."""
    weight, y, others = net.weight.double(), whole.y[:, None], whole.ranking
    logits = whole.x.double().flatten(1) @ weight.T + net.bias.double()
    normal = weight[y] - weight[others]
    dual = normal.abs().sum(2) if norm == "Linf" else normal.norm(dim=2)
    return (logits.gather(1, y) - logits.gather(1, others)) / dual


@given(seed=st.integers(0, 2**31), n_classes=st.integers(3, 12))
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_planes_are_tried_in_the_order_of_their_exact_distance(
    norm: str, seed: int, n_classes: int
) -> None:
    net = planes(seed, n_classes)
    whole = task(net, images())
    exact = distances(net, whole, norm)
    order = torch.tensor(chosen(net, whole, norm=norm))
    assert torch.equal(order.sort(1).values, whole.ranking.sort(1).values)
    place = (whole.ranking[:, None] == order[:, :, None]).long().argmax(2)
    got = exact.gather(1, place)
    assert bool((got.diff(dim=1) >= -1e-3 * got[:, 1:]).all())  # nearer by less is a tie


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_one_target_breaks_what_the_likeliest_class_cannot(norm: str) -> None:
    # Class 1 is likelier and hardly moves; class 2 is farther behind and moves fast.
    weight = torch.tensor([[0.0] * 4, [0.01] * 4, [3.0, -2.0, 3.0, -2.0]])
    net = Planes(weight, torch.tensor([1.0, 0.7, -0.5]))
    whole = task(net, torch.full((1, 1, 2, 2), 0.5))
    assert whole.ranking.tolist() == [[1, 2]]
    stage = NEAR.model_copy(update={"targets": 1, "steps": 20})
    nearest = float(distances(net, whole, norm).min())
    for share, is_hit in ((0.98, False), (1.02, True)):
        attack = build(stage, Threat(norm, f"{share * nearest:.6f}"), 3)
        search = stepped(attack, net, whole)
        assert search.task.target(search.run).tolist() == [2]
        assert search.is_hit.tolist() == [is_hit]


def test_only_the_likeliest_few_are_compared() -> None:
    net = planes(3, 10)
    whole = task(net, images())
    for n in (2, 5):
        order = chosen(net, whole, n)
        for row, before in zip(order, whole.ranking.tolist(), strict=True):
            assert sorted(row[:n]) == sorted(before[:n])
            assert row[n:] == before[n:]


def test_of_classes_that_are_equally_far_the_likelier_comes_first_in_any_batch() -> None:
    # Copies of one class, whose logits lie one last bit apart and whose gradients are equal.
    rows = torch.randn(2, 12, generator=torch.Generator().manual_seed(2))
    net = Planes(rows[[0, 1, 1, 1, 1, 1]], torch.tensor([4.0, *[-1.0] * 5]))
    whole = task(net, images(40))
    order = chosen(net, whole)
    assert order == whole.ranking.tolist()
    alone = [chosen(net, whole.select(torch.tensor([i])))[0] for i in range(40)]
    assert alone == order


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_the_choice_does_not_depend_on_the_batch(tiny_net: nn.Module, norm: str) -> None:
    x = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    whole = task(tiny_net, x)
    together = chosen(tiny_net, whole, norm=norm)
    for size in (1, 7):
        parts = torch.arange(40).flip(0).split(size)
        cut = [row for part in parts for row in chosen(tiny_net, whole.select(part), norm=norm)]
        assert cut[::-1] == together


class Odd(nn.Module):
    """Five classes, of which class 1 has a gradient or a logit that says nothing."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1).mean(1, keepdim=True)
        logits = torch.tensor([9.0, 3.0, 2.0, 1.0, 0.0]) * (1 + flat)
        odd = {
            "no gradient": logits[:, :1] - 3.0,  # z_y - z_1 does not depend on the image
            "an infinite logit": torch.full_like(flat, -torch.inf),
            "NaN gradients": (flat - flat.detach()).sqrt(),  # of every class: 0 times NaN is NaN
        }
        return torch.cat([logits[:, :1], odd[self.kind], logits[:, 2:]], 1)


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("no gradient", [2, 3, 4, 1]),
        ("an infinite logit", [2, 3, 4, 1]),
        ("NaN gradients", [1, 2, 3, 4]),
    ],
)
def test_classes_of_which_nothing_can_be_told_are_tried_last_the_likelier_first(
    kind: str, order: list[int]
) -> None:
    net, x = Odd(kind), torch.full((3, 1, 2, 2), 0.5)
    whole = task(net, x, torch.zeros(3, dtype=torch.long))
    whole = replace(whole, ranking=torch.tensor([[1, 2, 3, 4]] * 3))
    assert chosen(net, whole) == [order] * 3


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_order_does_not_depend_on_the_scale_of_the_logits(scale: float) -> None:
    net = planes(5, 8)
    whole = task(net, images())
    scaled = Planes(net.weight * scale, net.bias * scale)
    assert chosen(scaled, whole) == chosen(net, whole)


@pytest.mark.parametrize(
    ("n_classes", "n_runs", "n_looked_at"), [(2, 1, 0), (3, 2, 2), (4, 3, 3), (10, None, 9)]
)
def test_models_of_few_classes_have_fewer_targets_and_pay_for_no_choice_of_one(
    n_classes: int, n_runs: int | None, n_looked_at: int
) -> None:
    attack = build(NEAR, Threat("Linf", "1/10"), n_classes)
    net, whole = Net(planes(1, n_classes)), task(planes(1, n_classes), images())
    assert attack.n_runs == (n_runs or NEAR.targets)
    attack.prepared(net, whole)
    assert net.backwards == net.forwards == len(whole) * n_looked_at
    assert attack.most_passes().exact_gradients == n_looked_at
    assert attack.least_passes().exact_gradients == n_looked_at


def test_a_randomised_model_is_asked_as_often_for_the_choice_as_for_a_step() -> None:
    attack = build(NEAR.model_copy(update={"eot": 3}), Threat("Linf", "1/10"), 5)
    net = Net(planes(1, 5))
    attack.prepared(net, task(planes(1, 5), images(2)))
    assert net.backwards == 2 * attack.most_passes().exact_gradients == 2 * 3 * 4


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_the_choice_never_makes_the_host_wait_for_a_gpu(
    tiny_net: nn.Module, norm: str, as_on_a_gpu: Callable[[], None]
) -> None:
    attack, net = build(NEAR, Threat(norm, "1/10"), 5), Net(tiny_net)
    whole = task(tiny_net, torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(3)))
    asked = attack.prepared(net, whole).ranking
    as_on_a_gpu()
    with no_waiting():
        silent = attack.prepared(net, whole)
    assert torch.equal(silent.ranking, asked)


def test_other_attacks_take_the_images_as_they_are(tiny_net: nn.Module) -> None:
    whole = task(tiny_net, torch.rand(3, 3, 8, 8))
    for name in ("autoattack", "pgd-5", "fgsm"):
        for stage in protocol(name).stages:
            attack = build(stage, Threat("Linf", "1/10"), 5)
            assert attack.prepared(Net(tiny_net), whole) is whole
            assert attack.most_passes().exact_gradients == 0


@pytest.mark.parametrize("changes", [{"targets": None}, {"targets": 21}, {"nearest_of": 3}])
def test_targets_come_from_at_least_as_many_classes(changes: dict[str, int | None]) -> None:
    with pytest.raises(ValueError, match="targets are chosen among at least as many classes"):
        Stage.model_validate({**NEAR.model_dump(), **changes})


def test_what_chooses_nothing_is_written_as_before_there_was_a_choice() -> None:
    def dumped(names: Sequence[str]) -> list[dict[str, object]]:
        return [stage.model_dump() for name in names for stage in protocol(name).stages]

    old = ("pgd-50", "fgsm", "pgd-sat-50", "autoattack", "autoattack-plus", "autoattack-rand")
    assert not any("nearest_of" in stage for stage in dumped(old))
    first, second = dumped(["quick"])
    assert "nearest_of" not in first
    assert Stage.model_validate(second) == NEAR
