"""Attacks of torchattacks, foolbox and ART as stages, by the real packages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eval import Report, curve, evaluate
from eval.adversarial import AdversarialImages, recheck
from eval.curves.curve import Curve
from eval.data import ImageSet
from eval.errors import ReportError, UsageError
from eval.evaluation import Interrupted
from eval.plan import plan_run
from eval.protocols import protocol
from eval.report.known import check_protocol
from eval.threat import Threat
from tests.bridged import bridged

OPTIONS: dict[str, Any] = {"eps": "1/20", "batch_size": 16, "progress": False}
ATTACKS = {
    "torchattacks": ("torchattacks:PGD?steps=5&alpha=eps/4", "torchattacks:PGDL2?steps=5"),
    "foolbox": ("foolbox:LinfPGD?steps=5", "foolbox:L2PGD?steps=5"),
    "art": ("art:ProjectedGradientDescent?max_iter=5",) * 2,
}


@pytest.mark.parametrize("library", ATTACKS)
@pytest.mark.parametrize(("norm", "eps"), [("Linf", "1/20"), ("L2", "0.5")])
def test_each_library_breaks_images_that_are_verified(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path, library: str, norm: str, eps: str
) -> None:
    bridged(library)
    attack = ATTACKS[library][norm == "L2"]
    saved = tmp_path / "adversarial.safetensors"
    threat: Any = {"norm": norm, "eps": eps}
    report = evaluate(
        tiny_net, tiny_data, attack=attack, save_adversarial=saved, **{**OPTIONS, **threat}
    )
    (stage,), (result,) = report.protocol.stages, report.stages
    assert result.broken > 3
    assert result.attacked == 45  # as many are right
    assert 5 * 45 <= result.forwards < 10 * 45
    assert result.backwards == 5 * 45
    assert stage.package is not None
    assert stage.package.startswith(library)
    assert [flag.code for flag in report.flags] == ["upper-bound"]
    assert Report.model_validate_json(report.to_json()) == report
    check_protocol(report)
    again = recheck(AdversarialImages.read(saved), tiny_net, tiny_data)
    assert (again.n, again.failed) == (result.broken, {})


def test_defaults_of_the_library_stand_in_the_stage(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    bridged("torchattacks")
    bridged("art")
    attack = "torchattacks:FGSM,torchattacks:PGD?steps=1,art:ProjectedGradientDescent?max_iter=1"
    report = evaluate(tiny_net, tiny_data, attack=attack, n=8, **OPTIONS)
    defaults = [stage.defaults for stage in report.protocol.stages]
    assert defaults[0] is None
    assert defaults[1] == "alpha=0.00784313725490196&random_start=true"
    assert defaults[2] is not None
    assert "eps_step=eps/4" in defaults[2]


def test_a_report_with_other_options_than_its_name_says_is_not_believed(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    bridged("torchattacks")
    report = evaluate(tiny_net, tiny_data, attack="torchattacks:PGD?steps=1", n=4, **OPTIONS)
    (stage,) = report.protocol.stages
    for change in ({"options": "steps=50"}, {"class_name": "APGD"}, {"attack": "foolbox"}):
        stages = (stage.model_copy(update=change),)
        other = report.protocol.model_copy(update={"stages": stages})
        with pytest.raises(ReportError, match="not those of protocol"):
            check_protocol(report.model_copy(update={"protocol": other}))


def test_in_a_list_each_attacks_what_the_others_left(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    bridged("torchattacks")
    bridged("foolbox")
    attack = "fgsm,torchattacks:PGD?steps=3,pgd-3,foolbox:LinfBasicIterativeAttack?steps=3"
    report = evaluate(tiny_net, tiny_data, attack=attack, **OPTIONS)
    left = [stage.attacked - stage.broken for stage in report.stages]
    assert [stage.attacked for stage in report.stages] == [45, *left[:-1]]
    alone = evaluate(tiny_net, tiny_data, attack="fgsm", **OPTIONS)
    assert report.stages[0].broken == alone.stages[0].broken


def test_the_same_call_draws_the_same_random_numbers(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    bridged("torchattacks")
    bridged("art")
    attack = "torchattacks:Square?n_queries=15,art:SquareAttack?max_iter=2"
    torch.manual_seed(1)
    first = evaluate(tiny_net, tiny_data, attack=attack, **OPTIONS)
    torch.rand(7)
    second = evaluate(tiny_net, tiny_data, attack=attack, **OPTIONS)
    assert first.images.verdicts == second.images.verdicts
    assert first.stages[0].forwards == second.stages[0].forwards
    third = evaluate(tiny_net, tiny_data, attack=attack, seed=1, **OPTIONS)
    assert third.images.verdicts != first.images.verdicts


def test_an_interrupted_run_goes_on_to_the_same_verdicts(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    bridged("torchattacks")
    options = {**OPTIONS, "attack": "torchattacks:Square?n_queries=20", "journal": tmp_path / "j"}
    whole = evaluate(tiny_net, tiny_data, **{**options, "journal": None})

    def stop(progress: Any) -> None:
        if progress.stage != "clean" and progress.done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        evaluate(tiny_net, tiny_data, on_progress=stop, **options)
    part = stopped.value.report
    assert 0 < part.images.verdicts.count("open") < 45
    options["batch_size"] = 7  # what the first session had counts, or the batches would be others
    again = evaluate(tiny_net, tiny_data, **options)
    assert again.images.verdicts == whole.images.verdicts
    assert 0 < again.stages[0].attacked == 45


def test_another_option_is_another_run(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    bridged("torchattacks")
    folder = tmp_path / "journals"
    folder.mkdir()
    for steps in (1, 2, 2):
        attack = f"torchattacks:PGD?steps={steps}"
        evaluate(tiny_net, tiny_data, attack=attack, n=4, journal=folder, **OPTIONS)
    assert len({file.name[:16] for file in folder.iterdir()}) == 2


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("torchattacks:PDG", "did you mean PGD"),
        ("torchattacks:PGD?step=3", "it has alpha, steps, random_start"),
        ("torchattacks:PGD?steps=2.5", "give a whole number"),
        ("torchattacks:PGD?random_start=3", "give true or false"),
        ("torchattacks:PGDL2", "searches in L2"),
        ("torchattacks:LGV", "needs 'trainloader'"),
        ("foolbox:L2PGD", "searches in L2"),
        ("foolbox:LinfPGD?rel_steps=1", "has no 'rel_steps'"),
        ("foolbox:VirtualAdversarialAttack", "needs 'steps'"),
        ("art:DPatch", "cannot be made"),
        ("art:ProjectedGradientDescent?max_iter=-3", "cannot be made"),
    ],
)
def test_what_a_library_has_not_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, attack: str, said: str
) -> None:
    bridged(attack.partition(":")[0])
    with pytest.raises(UsageError) as refused:
        evaluate(tiny_net, tiny_data, attack=attack, **OPTIONS)
    assert said in str(refused.value)


def test_a_curve_holds_what_the_library_says(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    bridged("torchattacks")
    options: dict[str, Any] = {"attack": "torchattacks:FGSM", "n": 12, "progress": False}
    found = curve(tiny_net, tiny_data, eps="1/40,1/20", check=False, **options)
    (stage,) = found.protocols[0].stages
    assert stage.package is not None
    assert Curve.model_validate_json(found.to_json()) == found


def test_half_precision_of_our_search_is_refused_beside_theirs(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(UsageError, match="which computes in fp32"):
        evaluate(tiny_net, tiny_data, attack="torchattacks:PGD", precision="bf16", **OPTIONS)


def test_what_needs_our_own_steps_is_refused(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    attack = "torchattacks:PGD?steps=3"
    for one in ({"until": 1.0}, {"budget": "1m"}):
        with pytest.raises(UsageError, match="in the order of the data"):
            evaluate(tiny_net, tiny_data, attack=attack, **one, **OPTIONS)
    with pytest.raises(UsageError, match="cannot be told before"):
        plan_run(tiny_net, tiny_data, protocol(attack), Threat("Linf", "1/20"))
