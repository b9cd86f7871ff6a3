"""What is right under an attack never contradicts what is right at its last iterate."""

import pytest
from torch import nn

from eval import evaluate
from eval.attacks.search import Search
from eval.data import ImageSet


@pytest.mark.parametrize("attack", ["pgd-5", "pgd-sat-5"])
def test_a_last_iterate_that_fools_the_model_breaks_the_image_though_no_search_saw_it(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    usual = evaluate(tiny_net, tiny_data, attack=attack, eps="1/20").stages[0]
    monkeypatch.setattr(Search, "claim", lambda *_: None)  # as arithmetic that sees no break
    blind = evaluate(tiny_net, tiny_data, attack=attack, eps="1/20").stages[0]
    assert blind.last_iterate_accuracy == usual.last_iterate_accuracy
    assert blind.accuracy_after == blind.last_iterate_accuracy
    assert blind.broken > 3
    assert blind.rejected == 0


def test_the_accuracy_of_last_iterates_lies_where_a_report_allows_it(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    for seed in range(3):
        report = evaluate(tiny_net, tiny_data, attack="pgd-2", eps="1/20", seed=seed)
        (stage,) = report.stages
        assert stage.last_iterate_accuracy is not None
        assert stage.accuracy_after <= stage.last_iterate_accuracy <= stage.attacked / 60
