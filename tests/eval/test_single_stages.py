"""Single stages of AutoAttack, and lists of stages: protocols of their own, by name and digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.errors import JournalError, ReportError, UsageError
from eval.protocols import Protocol, protocol
from eval.report.known import check_protocol
from leaderboard.columns import family, title

EPS: dict[str, Any] = {"eps": "8/255", "attack": "apgd-ce,fgsm"}


@pytest.mark.parametrize("name", ["apgd-ce", "apgd-t", "fab-t", "square"])
def test_a_stage_by_itself_is_that_of_autoattack(name: str) -> None:
    whole = {stage.name: stage for stage in protocol("autoattack").stages}
    assert protocol(name) == protocol(f"{name}@1")
    assert protocol(name) == Protocol(name=f"{name}@1", stages=(whole[name],))


def test_dlr_and_untargeted_fab_are_those_of_the_paper_with_one_restart() -> None:
    plus = {stage.name: stage for stage in protocol("autoattack-plus").stages}
    for name in ("apgd-dlr", "fab"):
        assert protocol(name).stages == (plus[name].model_copy(update={"restarts": 1}),)


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ("apgd-ce,square", "custom-apgd-ce+square@1"),
        ("square,apgd-ce", "custom-square+apgd-ce@1"),
        (" APGD-CE , pgd-20,fgsm", "custom-apgd-ce+pgd-20+fgsm@1"),
        ("apgd-ce@1,fab", "custom-apgd-ce+fab@1"),
    ],
)
def test_a_list_is_a_protocol_called_by_its_stages_in_their_order(listed: str, name: str) -> None:
    plan = protocol(listed)
    assert plan.name == name
    assert plan == protocol(name)
    assert plan.stages == tuple(
        stage for one in listed.split(",") for stage in protocol(one.strip()).stages
    )


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("apgd-ce,", "attack 'apgd-ce,' names no stage in one of its places: list stages"),
        ("apgd-ce,sqare", "unknown stage of attack 'apgd-ce,sqare' 'sqare': did you mean square"),
        ("custom-apgd-ce@1", "attack 'custom-apgd-ce@1' lists one stage: write 'apgd-ce'"),
        ("apgd-ce,apgd-ce", "lists 'apgd-ce' twice: list each stage once"),
        ("pgd-20,autoattack", "holds 'autoattack', which stands by itself: list single stages"),
        ("clean,apgd-ce", "holds 'clean', which stands by itself"),
        ("pgd-sat-50,square", "holds 'pgd-sat-50', which stands by itself"),
        ("quick@1,square", "holds 'quick@1', which stands by itself"),
        ("pgd-0,square", "attack 'pgd-0' takes no step"),
        ("apgd-ce,apgd-t,fab-t,square", "is autoattack-standard@1: write that"),
    ],
)
def test_what_no_list_can_be_is_one_sentence(listed: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        protocol(listed)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["apgd-ce", "square", "pgd-20,square"])
def test_they_have_no_step_size_and_no_last_iterates_to_choose(name: str) -> None:
    with pytest.raises(UsageError, match="goes with pgd-K only"):
        protocol(name, step_size="1/255")
    with pytest.raises(UsageError, match="goes with pgd-K only"):
        protocol(name, last_iterate=True)


def test_a_first_stage_alone_gives_the_verdicts_that_it_gives_in_a_list(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    alone = evaluate(tiny_net, tiny_data, attack="apgd-ce", eps="8/255")
    listed = evaluate(tiny_net, tiny_data, **EPS)
    assert alone.stages[0].broken == listed.stages[0].broken
    after = ["robust" if v == "fgsm" else v for v in listed.images.verdicts]
    assert list(alone.images.verdicts) == after


def test_the_report_names_the_list_and_its_reader_holds_it_to_the_name(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    report = evaluate(tiny_net, tiny_data, out=tmp_path / "r.json", **EPS)
    assert report.protocol.name == "custom-apgd-ce+fgsm@1"
    check_protocol(Report.read(tmp_path / "r.json"))
    called = report.protocol.model_copy(update={"name": "autoattack-standard@1"})
    with pytest.raises(ReportError, match="its stages are not those of protocol"):
        check_protocol(report.model_copy(update={"protocol": called}))


def test_a_journal_of_one_list_is_not_gone_on_with_by_another(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    evaluate(tiny_net, tiny_data, journal=tmp_path / "j.journal", **EPS)
    other = {**EPS, "attack": "fgsm,apgd-ce"}
    with pytest.raises(JournalError, match="protocol"):
        evaluate(tiny_net, tiny_data, journal=tmp_path / "j.journal", **other)


def test_no_column_of_theirs_is_that_of_autoattack() -> None:
    listed = ["apgd-ce", "square", "fab-t", "apgd-ce,square", "pgd-50,fab"]
    columns = [protocol(one).name for one in listed]
    shown = ["APGD-CE alone", "Square alone", "FAB-T alone"]
    assert [family(one) for one in columns] == [
        *shown,
        "custom APGD-CE + Square",
        "custom PGD-50 + FAB",
    ]
    assert [title(one) for one in columns] == [family(one) for one in columns]
