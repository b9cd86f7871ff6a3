"""`zoo.curve` takes what the cards say, and refuses two models that do not go together."""

from pathlib import Path

import pytest
import torch

import zoo
from eval.curves.curve import Curve
from eval.errors import DataError, UsageError
from eval.threat import Threat

SILU, RELU = "resnet8-silu-sat-digits", "resnet8-relu-at-digits"


def test_two_models_are_measured_on_the_same_images(tmp_path: Path) -> None:
    found = zoo.curve(
        SILU, RELU, eps="1/8,1/4", attack="pgd-3", n=24, out=tmp_path / "c.json",
        plot=tmp_path / "c.svg", journal=False, check=False,
    )  # fmt: skip
    assert [series.model.name for series in found.series] == [SILU, RELU]
    assert Curve.read(tmp_path / "c.json") == found
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    assert len(found.differences) == 3


def test_along_steps_eps_is_the_cards_own() -> None:
    found = zoo.curve(SILU, steps=[1, 4], n=12, journal=False)
    assert (found.norm, found.eps_text) == ("Linf", "3/16")
    assert [point.at_text for point in found.series[0].points] == ["0", "1", "4"]


def test_a_model_of_ones_own_is_measured(tmp_path: Path) -> None:
    mine = torch.nn.Sequential(zoo.load(RELU)).eval()
    images = zoo.images(RELU, n=12)
    found = zoo.curve(mine, RELU, eps="1/8", norm="Linf", images=images, journal=tmp_path / "j")
    assert found.differences[1].difference == 0
    assert any((tmp_path / "j").iterdir())
    with pytest.raises(UsageError, match="has no threat model of its own"):
        zoo.curve(mine, eps="1/8", images=images)


def test_points_of_a_curve_are_journaled_apart_from_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `evaluate` keeps no adversarial images, without which nothing can be carried.
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    zoo.evaluate(SILU, attack="pgd-3", eps="1/4", n=24)
    zoo.curve(SILU, eps="1/4", attack="pgd-3", n=24, check=False)
    assert len(list((tmp_path / "journals").glob("*.sqlite"))) == 1
    assert len(list((tmp_path / "journals/curves").glob("*.sqlite"))) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"eps": "1/8", "images": (torch.full((2, 1, 8, 8), 0.5), torch.zeros(2)), "n": 2},
            "leave these",
        ),
        ({"eps": "1/8", "plot": "c.pdf"}, "end its name in"),
        ({"eps": "1/8", "other": "resnet18-w16-silu-sat-cifar10", "steps": "1,2"}, "same images|"),
        ({"other": "resnet18-w16-silu-sat-cifar10", "steps": "1,2"}, "have not one eps"),
        ({"steps": "1,2", "norm": "L2"}, "give `eps` too"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_one_sentence(
    arguments: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, DataError), match=sentence):
        zoo.curve(SILU, **arguments)  # type: ignore[arg-type]


def test_two_cards_of_two_norms_need_one_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo import cards
    from zoo.curves import check_curve

    one = zoo.card(SILU)
    other = one.model_copy(update={"threat": cards.ThreatSpec(norm="L2", eps="0.5")})
    nothing = {"step_size": None, "out": None, "plot": None}
    with pytest.raises(UsageError, match="have not one norm"):
        check_curve([one, other], "1/8", None, None, norm=None, **nothing)  # type: ignore[arg-type]
    plan = check_curve([one, other], "1/8", None, None, norm=2, **nothing)  # type: ignore[arg-type]
    assert plan.points[0].threat == Threat("L2", "1/8")
