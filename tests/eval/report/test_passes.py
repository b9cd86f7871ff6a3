"""What a stage must have cost, compared with what the attacks themselves say that they take."""

import pytest

from eval.attacks import build
from eval.protocols import protocol
from eval.report.parts import StageResult
from eval.report.passes import Need, least
from eval.stage import Stage
from eval.threat import Threat

NAMES = (
    *("fgsm", "pgd-1", "pgd-50", "pgd-sat-20@1", "quick@1", "autoattack", "autoattack-plus@1"),
    *("autoattack-rand@1", "apgd-dlr@1", "fab@1"),
)
STAGES = {f"{name} {stage.name}": stage for name in NAMES for stage in protocol(name).stages}


def result(attacked: int, broken: int, last: float | None = None) -> StageResult:
    return StageResult(
        name="any",
        attacked=attacked,
        broken=broken,
        rejected=0,
        accuracy_after=0.5,
        seconds=1.0,
        forwards=0,
        backwards=0,
        last_iterate_accuracy=last,
    )


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_it_is_never_more_than_an_attack_takes(stage: Stage, classes: int) -> None:
    attack = build(stage, Threat("Linf", "8/255"), classes)
    takes, falls = attack.most_passes(), attack.least_passes()
    survived = least(stage, result(1, 0), classes, "fast")
    gradients = takes.gradients + takes.exact_gradients
    assert survived.forwards <= takes.forwards + gradients
    assert survived.backwards <= gradients
    if stage.attack != "fab" and stage.fallback_loss is None:
        # Only of FAB and of a second loss the steps of a survivor may cost more than these.
        assert survived == Need(takes.forwards + gradients, gradients)
    fallen = least(stage, result(1, 1), classes, "fast")
    n_looked = falls.gradients + falls.exact_gradients
    assert fallen.forwards <= falls.forwards + n_looked
    assert fallen.backwards <= n_looked
    assert fallen.forwards > 0


def test_images_add_up_and_last_iterates_are_gone_for() -> None:
    (stage,) = protocol("pgd-20").stages
    assert least(stage, result(10, 4), 10, "fast") == Need(6 * 21 + 4, 6 * 20 + 4)
    assert least(stage, result(10, 4, 0.7), 10, "fast") == Need(10 * 21, 10 * 20)
    assert least(stage, result(0, 0), 10, "fast") == Need()


def test_the_package_may_pass_over_an_image_but_not_over_all() -> None:
    apgd = protocol("apgd-ce@1").stages[0]
    whole = least(apgd, result(100, 0), 10, "fast")
    loose = least(apgd, result(100, 0), 10, "reference")
    assert whole == Need(10_100, 10_100)
    assert 0.9 * whole.backwards < loose.backwards < whole.backwards
    assert least(apgd, result(1, 0), 10, "reference") == Need(1)
    # PGD and targets chosen by their distance are ours, whoever carries them out.
    for name in ("pgd-20", "quick@1"):
        ours = protocol(name).stages[-1]
        assert least(ours, result(9, 1), 10, "reference") == least(ours, result(9, 1), 10, "fast")


def test_of_an_attack_that_another_package_brings_nothing_is_asked() -> None:
    stage = Stage(name="mine-7", attack="mine", steps=7)
    assert least(stage, result(10, 4), 10, "fast") == Need()
