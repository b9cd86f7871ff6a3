"""A curve is what it must be on paper, never rises, and says where nothing can stand."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import curve, evaluate
from eval.begin import begun
from eval.curves import measuring
from eval.curves.curve import Curve
from eval.data import ImageSet
from eval.errors import DataError, UsageError
from eval.executors.base import Event, Job, Spent, Survived
from eval.executors.pool import Pool
from eval.intervals import wilson
from eval.run import Run
from tests.eval.curves.conftest import EPS, Known, codes, counts

Make = Callable[[int], Known]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_linear_model_has_the_curve_that_it_has_on_paper(known: Make, seed: int) -> None:
    case = known(seed)
    found = curve(case.model, (case.x, case.y), eps=EPS)
    for number, point in enumerate(found.series[0].points):
        assert found.series[0].holds(number) == case.stands(point.at), point.at_text
        assert point.accuracy.ci95 == wilson(sum(case.stands(point.at)), 40)
    assert len(set(counts(found))) > 5
    check = found.series[0].check
    assert check is not None
    assert (check.eps_text, check.standing) == ("0.5", 0)
    assert "curve-stays-up" not in codes(found)


def test_l2_is_on_paper_too(known: Make) -> None:
    case = known(4)
    found = curve(case.model, (case.x, case.y), eps="1/10:4/10:1/10", norm="L2", attack="pgd-50")
    score = (case.x.double() * case.weight.double()).flatten(1).sum(1) - case.bias
    margin = torch.where(case.y == 1, score, -score) / case.weight.double().norm()
    for number, point in enumerate(found.series[0].points):
        assert found.series[0].holds(number) == (margin > point.at).tolist()
    check = found.series[0].check
    assert check is not None
    assert (check.eps_text, check.standing) == ("2", 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"eps": "1/255:8/255", "attack": "pgd-3"},
        {"eps": "1/255:8/255", "attack": "fgsm"},
        {"eps": "2/255:8/255:2/255", "attack": "pgd-5", "norm": "L2"},
        {"eps": "4/255", "steps": "1,2,3,5,8,13"},
        {"eps": "4/255", "steps": "2:4", "attack": "pgd-sat"},
        {"eps": "4/255", "steps": "1:3", "step_size": "1/255"},
    ],
    ids=str,
)
def test_a_curve_never_rises_and_attacks_only_what_stands(
    tiny_net: nn.Module, tiny_data: ImageSet, arguments: dict[str, Any]
) -> None:
    found = curve(tiny_net, tiny_data, **arguments)
    n_right, points = counts(found), found.series[0].points
    assert n_right == sorted(n_right, reverse=True)
    assert n_right[0] == 45
    for before, point in pairwise(points):
        assert point.attacked == before.accuracy.correct
        assert point.carried == 45 - point.attacked
        assert point.unconfirmed == 0
    assert counts(Curve.model_validate_json(found.to_json())) == n_right


def test_a_point_counts_all_that_its_attack_alone_breaks(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    found = curve(tiny_net, tiny_data, eps="1/255:6/255", attack="pgd-4")
    for number, point in enumerate(found.series[0].points[1:], start=1):
        alone = evaluate(tiny_net, tiny_data, eps=point.at_text, attack="pgd-4")
        stands = [verdict == "robust" for verdict in alone.images.verdicts]
        holds = found.series[0].holds(number)
        assert all(there for here, there in zip(holds, stands, strict=True) if here)
        if number == 1:
            assert holds == stands


class Tiring(Pool):
    """Breaks nothing in balls larger than 2/255."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        if self._setting_eps <= 2 / 255:
            yield from super().run(jobs)
            return
        for job in jobs:
            (stage,) = job.stages
            yield Spent(stage.name, forwards=1)
            for position in job.positions:
                yield Survived(stage.name, position)

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        self._setting_eps = setting.threat.eps


def tiring(*arguments: Any, **words: Any) -> AbstractContextManager[Run]:
    return begun(*arguments, **(words | {"executor": Tiring}))


def test_an_image_that_fell_stays_fallen_where_the_attack_finds_it_no_more(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = counts(curve(tiny_net, tiny_data, eps="1/255:4/255", check=False))
    monkeypatch.setattr(measuring, "begun", tiring)
    found = curve(tiny_net, tiny_data, eps="1/255:4/255")
    assert counts(found) == [*honest[:3], honest[2], honest[2]]
    assert honest[2] < honest[0]
    last = found.series[0].points[-1]
    assert (last.carried, last.unconfirmed, last.broken) == (honest[0] - honest[2], 0, 0)
    assert "curve-stays-up" in codes(found)


def test_what_is_carried_is_verified_in_every_larger_ball(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.curves import fallen

    seen: list[tuple[str, int]] = []
    real = fallen.verify

    def watched(model: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor, threat: Any) -> Any:
        assert bool(threat.contains(x_adv, x).all())
        seen.append((threat.eps_text, len(x)))
        return real(model, x, x_adv, y, threat)

    monkeypatch.setattr(fallen, "verify", watched)
    found = curve(tiny_net, tiny_data, eps="1/255:4/255", check=False)
    points = found.series[0].points
    assert seen == [(p.at_text, p.carried) for p in points if p.carried]
    assert len(seen) == 3


class Drawing(nn.Module):
    """A linear model whose answers are partly drawn."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner(x)
        return logits + 0.5 * torch.randn_like(logits)


def test_a_model_that_draws_is_flagged_and_its_curve_still_never_rises(known: Make) -> None:
    case = known(0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = curve(Drawing(case.model).eval(), (case.x, case.y), eps=EPS, attack="pgd-2")
    assert counts(found) == sorted(counts(found), reverse=True)
    assert {"carried-unconfirmed", "randomised-forward"} <= codes(found)
    assert any(point.unconfirmed for point in found.series[0].points)


def test_flags_of_the_images_are_those_of_all_of_them(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    # What is left at last is often of one class, which says nothing of the model.
    found = curve(tiny_net, tiny_data, eps="1/255:12/255", attack="fgsm")
    alone = evaluate(tiny_net, tiny_data, attack="clean")
    of_images = {"clean-at-chance", "label-order"}
    assert codes(found) & of_images == {flag.code for flag in alone.flags} & of_images


def test_a_model_that_is_never_right_has_a_flat_curve_at_zero(known: Make) -> None:
    case = known(0)
    found = curve(case.model, (case.x[-4:], 1 - case.y[-4:]), eps="1/255,2/255")
    assert counts(found) == [0, 0, 0]
    assert found.series[0].fell == (0, 0, 0, 0)
    assert found.series[0].check is not None


def test_wrong_uses_are_answered_before_anything_is_measured(known: Make, tmp_path: Path) -> None:
    case = known(0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is no folder"):
        curve(case.model, case.images, eps="1/255", journal=tmp_path / "file")
    with pytest.raises(UsageError, match="batch size"):
        curve(case.model, case.images, eps="1/255", batch_size=0)
    with pytest.raises(DataError, match="label 6"):
        curve(case.model, (case.x, case.y + 6), eps="1/255")


def test_the_reference_engine_draws_a_curve_too(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    found = curve(tiny_net, tiny_data, eps="1/255,3/255", attack="pgd-3", engine="reference")
    assert counts(found) == sorted(counts(found), reverse=True)
    assert found.series[0].engine.name == "reference"
