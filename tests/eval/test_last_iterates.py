"""What is right under an attack never contradicts what is right at its last iterate."""

import json

import pytest
from torch import nn

from eval import evaluate
from eval.attacks.search import Search
from eval.data import ImageSet
from eval.errors import UsageError
from eval.protocols import protocol
from eval.report.known import check_protocol
from eval.report.report import Report


@pytest.mark.parametrize("attack", ["pgd-5", "pgd-sat-5"])
def test_a_last_iterate_that_fools_the_model_breaks_the_image_though_no_search_saw_it(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    options = {"attack": attack, "eps": "1/20", "last_iterate": True}
    usual = evaluate(tiny_net, tiny_data, **options).stages[0]
    monkeypatch.setattr(Search, "claim", lambda *_: None)  # as arithmetic that sees no break
    blind = evaluate(tiny_net, tiny_data, **options).stages[0]
    assert blind.last_iterate_accuracy == usual.last_iterate_accuracy
    assert blind.accuracy_after == blind.last_iterate_accuracy
    assert blind.broken > 3
    assert blind.rejected == 0


def test_the_accuracy_of_last_iterates_lies_where_a_report_allows_it(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    for seed in range(3):
        report = evaluate(
            tiny_net, tiny_data, attack="pgd-2", eps="1/20", seed=seed, last_iterate=True
        )
        (stage,) = report.stages
        assert stage.last_iterate_accuracy is not None
        assert stage.accuracy_after <= stage.last_iterate_accuracy <= stage.attacked / 60


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("attack", ["pgd-1", "pgd-7", "pgd-20"])
def test_leaving_when_broken_changes_passes_and_no_verdict(
    tiny_net: nn.Module, tiny_data: ImageSet, attack: str, norm: str, precision: str
) -> None:
    options = {"attack": attack, "norm": norm, "precision": precision}
    options["eps"] = "1/20" if norm == "Linf" else "0.3"
    leaves = evaluate(tiny_net, tiny_data, **options)
    stays = evaluate(tiny_net, tiny_data, **options, last_iterate=True)
    assert leaves.images == stays.images
    assert leaves.survive_8bit == stays.survive_8bit
    ((one,), (other,)) = leaves.stages, stays.stages
    assert one.broken == other.broken > 3
    assert one.backwards < other.backwards or attack == "pgd-1"
    assert one.last_iterate_accuracy is None
    assert other.last_iterate_accuracy is not None
    assert '"last_iterate"' not in leaves.to_json()
    assert Report.model_validate_json(stays.to_json()).protocol.stages[0].last_iterate


def test_an_image_that_falls_at_the_first_look_costs_one_gradient(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    # In so large a ball every random start is misclassified, or the point after it.
    report = evaluate(tiny_net, tiny_data, attack="pgd-50", eps="1", precision="fp32", n=20)
    (stage,) = report.stages
    assert stage.broken == stage.attacked
    assert stage.backwards < 10 * stage.attacked


def test_a_report_that_asked_for_last_iterates_and_holds_none_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    for attack in ("pgd-3", "pgd-sat-3"):
        report = evaluate(tiny_net, tiny_data, attack=attack, eps="1/20", n=9, last_iterate=True)
        content = json.loads(report.to_json())
        content["stages"][0]["last_iterate_accuracy"] = None
        with pytest.raises(ValueError, match="last_iterate_accuracy is missing, but was asked for"):
            Report.model_validate(content)


@pytest.mark.parametrize("attack", ["fgsm", "autoattack", "clean", "autoattack-rand@1"])
def test_last_iterates_of_another_attack_are_refused(attack: str) -> None:
    with pytest.raises(UsageError, match=f"goes with pgd-K only, not with attack '{attack}'"):
        protocol(attack, last_iterate=True)


def test_a_report_of_either_kind_is_of_the_protocol_that_it_names(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    for last_iterate in (False, True):
        check_protocol(
            evaluate(
                tiny_net, tiny_data, attack="pgd-3", eps="1/20", n=9, last_iterate=last_iterate
            )
        )
