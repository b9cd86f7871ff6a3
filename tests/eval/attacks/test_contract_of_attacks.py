"""What every attack promises, tried on each that the registry has."""

from dataclasses import fields
from importlib.metadata import EntryPoint
from typing import Any, Self

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from eval import attack as attack_images
from eval import evaluate, protocol
from eval.attacks import build, registry
from eval.attacks.attack import Attack, Passes
from eval.attacks.pgd import PGD
from eval.attacks.search import Rows, Task
from eval.data import ImageSet
from eval.engine.net import Net
from eval.errors import UsageError
from eval.stage import Stage
from eval.threat import Threat
from tests.eval.attacks.stepping import stepped, task

N_STEPS = 6
AUTOATTACKS = ("autoattack", "autoattack-plus", "autoattack-rand")


def all_stages() -> list[Stage]:
    names = ("fgsm", "pgd-6", "pgd-sat-6", "quick", *AUTOATTACKS)
    stages = [stage for name in names for stage in protocol(name).stages]
    cut = [
        s.model_copy(update={"steps": min(s.steps, N_STEPS), "eot": min(s.eot, 2)}) for s in stages
    ]
    return list(dict.fromkeys(cut))


def tried() -> list[tuple[Stage, str]]:
    return [(stage, norm) for stage in all_stages() for norm in ("Linf", "L2")]


def task_of(net: nn.Module, n: int = 6) -> Task:
    return task(net, torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(2)))


def equal(a: Rows, b: Rows) -> bool:
    """The same to the bit."""
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(
        equal(u, v) if isinstance(u, Rows) else torch.equal(u.nan_to_num(), v.nan_to_num())
        for u, v in pairs
    )


def begun(attack: Attack, net: nn.Module, n_steps: int) -> tuple[Net, Any]:
    counted = Net(net)
    return counted, stepped(attack, counted, task_of(net), n_steps)


def test_every_attack_of_ours_is_tried() -> None:
    assert {stage.attack for stage in all_stages()} == set(registry.own_names())


@pytest.mark.parametrize(("stage", "norm"), tried(), ids=str)
def test_a_row_that_has_done_its_steps_stays_as_it_is(
    stage: Stage, norm: str, tiny_net: nn.Module
) -> None:
    attack = build(stage, Threat(norm, "1/10"), 5)
    net, search = begun(attack, tiny_net, 2 * N_STEPS)
    assert bool((search.k >= attack.n_steps).all())
    before, passes = search.select(torch.arange(6)), (net.forwards, net.backwards)
    attack.step(net, search)
    assert equal(before, search)
    assert (net.forwards, net.backwards) == passes


@pytest.mark.parametrize(("stage", "norm"), tried(), ids=str)
def test_finished_rows_stay_while_others_go_on(
    stage: Stage, norm: str, tiny_net: nn.Module
) -> None:
    attack = build(stage, Threat(norm, "1/10"), 5)
    net, done = begun(attack, tiny_net, 2 * N_STEPS)
    _, young = begun(attack, tiny_net, 0)
    _, alone = begun(attack, tiny_net, 1)
    mixed = done.cat(young)
    attack.step(net, mixed)
    assert equal(mixed.select(torch.arange(6)), done)
    assert equal(mixed.select(torch.arange(6, 12)), alone)


@pytest.mark.parametrize(("stage", "norm"), tried(), ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_rows_may_be_selected_joined_and_shuffled_between_steps(
    stage: Stage, norm: str, tiny_net: nn.Module, data: st.DataObject
) -> None:
    attack = build(stage, Threat(norm, "1/10"), 5)
    _, straight = begun(attack, tiny_net, N_STEPS)
    net, search = begun(attack, tiny_net, 0)
    for _ in range(N_STEPS):
        order = torch.tensor(data.draw(st.permutations(range(6))))
        cut = data.draw(st.integers(0, 6))
        parts = [search.select(order[:cut]), search.select(order[cut:])]
        for part in parts:
            attack.step(net, part)
        search = parts[0].cat(parts[1])
    back = search.select(search.task.position.argsort())
    # Another number of rows may be another kernel, which rounds otherwise in the last place.
    torch.testing.assert_close(back.best_score, straight.best_score, atol=1e-4, rtol=1e-4)
    assert torch.equal(back.k, straight.k)
    assert torch.equal(back.is_hit, straight.is_hit)
    torch.testing.assert_close(back.best, straight.best, atol=2e-2, rtol=0)


@pytest.mark.parametrize(("stage", "norm"), tried(), ids=str)
def test_an_attack_knows_what_it_costs(stage: Stage, norm: str, tiny_net: nn.Module) -> None:
    attack = build(stage, Threat(norm, "1/1000"), 5)
    net, _ = begun(attack, tiny_net, 2 * N_STEPS)
    forwards, gradients = attack.run_passes(attack.n_steps)
    gradients += attack.most_passes().exact_gradients  # of what is prepared
    assert net.backwards <= 6 * gradients
    assert net.forwards <= 6 * (forwards + gradients)
    assert attack.least_passes().gradients <= attack.most_passes().gradients
    assert attack.polish_steps <= attack.n_steps


class Corner(PGD):
    """Of another package: PGD from the image itself."""

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> Self:
        return cls(threat, stage.steps, threat.eps / 4, random_start=False)

    def least_passes(self) -> Passes:
        return Passes()


def bring(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("corner", value, registry.GROUP)
    monkeypatch.setattr(registry, "others", lambda: {"corner": [point]})
    monkeypatch.setattr("eval.protocols.others", lambda: {"corner": [point]})


def test_another_package_may_bring_an_attack(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="unknown attack 'corner-7'"):
        evaluate(tiny_net, tiny_data, attack="corner-7")
    bring(monkeypatch, f"{__name__}:Corner")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Corner)
    report = evaluate(tiny_net, tiny_data, attack="corner-7", eps="1/20")
    assert report.protocol.name == report.stages[0].name == "corner-7"
    assert set(report.images.verdicts) == {"clean", "corner-7", "robust"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.at:All", "'corner' of nowhere.at:All cannot be imported .*nowhere"),
        ("os:getcwd", "'corner': os:getcwd is no subclass of eval.attacks.attack.Attack"),
        ("os:no_such", "'corner' of os:no_such cannot be imported"),
    ],
)
def test_an_attack_of_another_package_that_cannot_be_used_is_named(
    value: str,
    message: str,
    tiny_net: nn.Module,
    tiny_data: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring(monkeypatch, value)
    with pytest.raises(UsageError, match=message):
        evaluate(tiny_net, tiny_data, attack="corner-7")


def images_of(data: ImageSet, n: int) -> tuple[Tensor, Tensor]:
    batch = data.batch(range(n))
    return batch.x, batch.y


def test_one_call_attacks_tensors_with_the_verdicts_of_an_evaluation(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    x, y = images_of(tiny_data, 40)
    found = attack_images(tiny_net, x, y, "pgd-10", eps="1/20")
    report = evaluate(tiny_net, (x, y), attack="pgd-10", eps="1/20")
    assert found.stages == report.images.verdicts
    assert found.robust_accuracy == pytest.approx(report.robust.accuracy)
    assert found.forwards == report.stages[0].forwards
    assert bool(((tiny_net(found.x_adv).argmax(1) != y) == found.is_adversarial).all())
    assert float((found.x_adv - x).abs().max()) <= 1 / 20 + 1e-6
    assert repr(found).startswith("Attacked(")


def test_an_attack_that_attacks_nothing_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(UsageError, match="'clean' attacks nothing"):
        attack_images(tiny_net, *images_of(tiny_data, 4), "clean")
