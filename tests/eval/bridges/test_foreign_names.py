"""Attacks of other libraries by name: what a name says, and what it must not."""

import sys

import pytest

from eval import foreign
from eval.errors import UsageError
from eval.foreign import LIBRARIES, Library, check_installed, values
from eval.protocols import is_upper_bound, protocol


def test_a_name_says_library_class_and_options_in_one_order() -> None:
    plan = protocol("torchattacks:PGD?steps=20&alpha=2/255&random_start=False")
    (stage,) = plan.stages
    assert stage.name == "torchattacks:PGD?alpha=2/255&random_start=false&steps=20"
    assert (stage.attack, stage.class_name) == ("torchattacks", "PGD")
    assert plan.name == f"custom-{stage.name}@1"


@pytest.mark.parametrize(
    "typed",
    [
        "foolbox:LinfPGD",
        "apgd-ce,torchattacks:Square?n_queries=100&p_init=1e-3",
        "ART:ProjectedGradientDescent?eps_step=eps/4&max_iter=20, square",
        "torchattacks:CW?lr=1e16,torchattacks:CW?lr=1e15",
    ],
)
def test_a_protocol_is_found_by_the_name_that_its_report_has(typed: str) -> None:
    plan = protocol(typed)
    assert protocol(plan.name) == plan
    assert is_upper_bound(plan.name)
    assert "autoattack" not in plan.name


def test_stages_that_are_ours_have_the_digest_that_they_had() -> None:
    for stage in protocol("autoattack").stages:
        assert not {"package", "class_name", "options", "defaults"} & {*stage.model_dump()}


def test_values_are_what_they_say() -> None:
    said = "a=3&b=2/255&c=eps/4&d=true&e=none&f=word&g=eps*2&h=0.5"
    assert values(said, 0.5) == {
        "a": 3, "b": 2 / 255, "c": 0.125, "d": True, "e": None, "f": "word", "g": 1.0, "h": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("torchattack:PGD", "did you mean torchattacks"),
        ("torchattacks:PGD?eps=8/255", "eps is not for an option to say"),
        ("art:ProjectedGradientDescent?norm=2", "norm is not for an option to say"),
        ("foolbox:LinfPGD?steps", "'steps' is no option"),
        ("torchattacks:PGD?steps=2&steps=3", "gives steps twice"),
        ("torchattacks:PGD?steps=__import__('os')", "the value of steps is"),
        ("torchattacks:PGD?steps=" + "9" * 5000, "the value of steps is"),
        ("torchattacks:os.system", "names no class"),
        ("torchattacks:", "names no class"),
        ("torchattacks:PGD,torchattacks:PGD", "twice"),
        ("autoattack,torchattacks:PGD", "stands by itself"),
        ("torchattacks:PGD?" + "&".join(f"a{i}=1" for i in range(21)), "more than 20 options"),
        ("torchattacks:PGD?" + "a" * 80 + "=" + "b" * 40 + "&" + "c" * 80 + "=1", "characters"),
        (",".join(f"torchattacks:PGD?steps={i}" for i in range(1, 12)), "list fewer stages"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(typed: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        protocol(typed)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


def test_reading_a_name_imports_no_library() -> None:
    before = {"torchattacks", "foolbox", "art"} & {*sys.modules}
    protocol("torchattacks:PGD,foolbox:LinfPGD,art:DeepFool")
    assert {"torchattacks", "foolbox", "art"} & {*sys.modules} == before


def test_a_library_that_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {
        name: Library(f"no-such-{name}", one.install, one.classes)
        for name, one in LIBRARIES.items()
    }
    monkeypatch.setattr(foreign, "LIBRARIES", missing)
    with pytest.raises(UsageError, match="pip install --no-deps torchattacks"):
        check_installed(protocol("torchattacks:PGD").stages)
    with pytest.raises(UsageError, match=r"pip install 'sat-zoo\[bridges\]'"):
        check_installed(protocol("apgd-ce,art:DeepFool").stages)
