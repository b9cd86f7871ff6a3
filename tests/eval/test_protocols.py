import pytest

from eval.errors import UsageError
from eval.protocols import NAMES, Protocol, protocol
from eval.stage import step_in_pixels


def test_autoattack_is_the_standard_of_the_paper() -> None:
    standard = protocol("autoattack")
    assert standard.name == "autoattack-standard@1"
    assert [s.name for s in standard.stages] == ["apgd-ce", "apgd-t", "fab-t", "square"]
    ce, targeted, fab, square = standard.stages
    assert (ce.steps, ce.restarts, ce.rho) == (100, 1, 0.75)
    assert (targeted.steps, targeted.targets, targeted.loss) == (100, 9, "dlr-targeted")
    assert (fab.steps, fab.targets) == (100, 9)
    assert (square.steps, square.p_init) == (5000, 0.8)


def test_a_versioned_name_and_its_alias_are_one_protocol() -> None:
    for kind in ("standard", "plus", "rand"):
        assert protocol(f"autoattack-{kind}") == protocol(f"autoattack-{kind}@1")
    assert protocol("Quick") == protocol("quick@1")
    assert "quick" in NAMES


def test_clean_has_no_stage_and_fgsm_one_full_step_without_a_random_start() -> None:
    assert protocol("clean").stages == ()
    (stage,) = protocol("fgsm").stages
    assert (stage.steps, stage.random_start, step_in_pixels(stage, 0.5)) == (1, False, 0.5)


def test_pgd_and_fgsm_say_what_they_follow_where_the_gradient_is_bad() -> None:
    for name in ("pgd-1", "pgd-50", "fgsm"):
        (stage,) = protocol(name).stages
        assert stage.fallback_loss == "margin"
        assert '"fallback_loss":"margin"' in stage.model_dump_json()


@pytest.mark.parametrize(
    "name", ["autoattack", "autoattack-plus", "autoattack-rand", "pgd-sat-50", "clean"]
)
def test_what_has_no_fallback_is_written_as_before_there_was_one(name: str) -> None:
    whole = protocol(name)
    assert "fallback_loss" not in whole.model_dump_json()
    assert all("fallback_loss" not in stage.model_dump() for stage in whole.stages)
    assert Protocol.model_validate_json(whole.model_dump_json()) == whole


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, 0.025),
        ("eps", 0.1),
        ("eps/2", 0.05),
        ("eps*2", 0.2),
        ("1/255", 1 / 255),
        ("0.01", 0.01),
    ],
)
def test_pgd_takes_any_number_of_steps_and_step_size(text: str | None, size: float) -> None:
    (stage,) = protocol("pgd-37", step_size=text).stages
    assert stage.steps == 37
    assert step_in_pixels(stage, 0.1) == pytest.approx(size)


@pytest.mark.parametrize(
    ("name", "step_size", "message"),
    [
        ("autoatack", None, "unknown attack 'autoatack': did you mean autoattack"),
        (
            "pgd",
            None,
            r"unknown attack 'pgd': did you mean .*\(pgd-K takes any number of steps K\)",
        ),
        ("pgd-0", None, "attack 'pgd-0' takes no step: use at least pgd-1, or clean"),
        ("fgsm", "1/255", "step size '1/255' goes with pgd-K only, not with attack 'fgsm'"),
        ("pgd-5", "eps/0", "step size 'eps/0' is not a positive number: write eps/4"),
        ("pgd-5", "-1/255", "step size '-1/255' is not a positive number"),
        ("pgd-5", "fast", "step size 'fast' is not a positive number"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(
    name: str, step_size: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        protocol(name, step_size=step_size)
