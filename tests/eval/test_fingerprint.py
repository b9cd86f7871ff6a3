"""One digest for the hyper-parameters of a protocol: what it is of, and where it stands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.errors import ReportError
from eval.fingerprint import PINNED, deciding, differences, fingerprint, protocol_id, short
from eval.plan import plan_run
from eval.protocols import NAMES, protocol
from eval.report.digest import what_images_follow_from
from eval.report.summary import heading
from eval.stage import Stage
from eval.threat import Threat
from zoo.cli.plan import print_plan

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"
STANDARD = protocol("autoattack").stages
FULL = Stage(
    name="apgd-near",
    attack="apgd",
    loss="margin-targeted",
    steps=50,
    targets=4,
    nearest_of=20,
    random_start=True,
    rho=0.75,
)
OTHERS: dict[str, Any] = {
    "name": "apgd-far",
    "attack": "fab",
    "loss": "dlr-targeted",
    "steps": 51,
    "restarts": 2,
    "targets": 5,
    "nearest_of": 21,
    "step_size": "eps/8",
    "random_start": False,
    "eot": 2,
    "rho": 0.5,
    "p_init": 0.1,
    "fallback_loss": "margin",
    "last_iterate": True,
}


@pytest.mark.parametrize("name", sorted(PINNED))
def test_the_numbers_of_a_published_protocol_never_change_under_its_version(name: str) -> None:
    found = fingerprint(protocol(name).stages)
    assert found == PINNED[name], (
        f"a hyper-parameter of {name} has changed, which Reports and tables know as"
        f" {short(PINNED[name])}: give what it is now a new version"
    )


def test_every_protocol_that_help_names_is_pinned_and_no_two_are_one() -> None:
    assert {protocol(name).name for name in NAMES} <= set(PINNED)
    assert len(set(PINNED.values())) == len(PINNED)


@pytest.mark.parametrize("field", Stage.model_fields)
def test_every_field_of_a_stage_is_in_it(field: str) -> None:
    # A field that came later than this test may be of any kind.
    changed = FULL.model_copy(update={field: OTHERS.get(field, "another")})
    assert fingerprint([changed]) != fingerprint([FULL])


def test_the_order_of_stages_is_in_it_and_their_python_is_not() -> None:
    assert fingerprint(STANDARD[::-1]) != fingerprint(STANDARD)
    again = [Stage.model_validate_json(stage.model_dump_json()) for stage in STANDARD]
    assert fingerprint(again) == fingerprint(STANDARD)
    assert re.fullmatch(
        r"autoattack-standard@1#[0-9a-f]{12}", protocol_id("autoattack-standard@1", STANDARD)
    )


def test_what_differs_is_named_with_both_values() -> None:
    shorter = STANDARD[0].model_copy(update={"steps": 50, "targets": 3})
    assert differences(STANDARD, (shorter, *STANDARD[1:])) == (
        "apgd-ce: steps 100 there, 50 here",
        "apgd-ce: targets none there, 3 here",
    )
    assert differences(STANDARD, STANDARD[:3]) == ("stage square there, none here",)
    assert differences(STANDARD[:1], STANDARD[:2]) == ("stage apgd-t here, none there",)
    assert differences(STANDARD, STANDARD) == ()
    assert differences(STANDARD[:2], STANDARD[1::-1])[0].startswith("order apgd-ce, apgd-t there")


def test_one_step_in_two_texts_and_last_iterates_decide_no_other_verdict() -> None:
    usual, last = protocol("pgd-50"), protocol("pgd-50", last_iterate=True)
    step = protocol("pgd-50", step_size="1/255")
    assert deciding(usual.stages, 4 / 255) == deciding(last.stages, 4 / 255)
    assert deciding(usual.stages, 4 / 255) == deciding(step.stages, 4 / 255)
    assert deciding(usual.stages, 8 / 255) != deciding(step.stages, 8 / 255)
    assert fingerprint(usual.stages) != fingerprint(last.stages)


@pytest.fixture(scope="module")
def report(tiny_net: nn.Module, tiny_data: ImageSet) -> Report:
    return evaluate(tiny_net, tiny_data, attack="pgd-3", eps="1/20")


def test_a_report_keeps_it_and_is_headed_by_it(report: Report) -> None:
    known = fingerprint(protocol("pgd-3").stages)
    assert json.loads(report.to_json())["protocol"]["fingerprint"] == known
    assert report.protocol.id == f"pgd-3{short(known)}"
    assert f"pgd-3{short(known)}, engine" in heading(report)


def test_an_older_report_without_it_is_the_same_run_and_stays_as_it_is(report: Report) -> None:
    content = json.loads(report.to_json())
    del content["protocol"]["fingerprint"]
    older = Report.model_validate(content)
    assert older.protocol.id == report.protocol.id
    assert "fingerprint" not in older.to_json()
    assert what_images_follow_from(older) == what_images_follow_from(report)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_protocol_of_a_committed_report_is_written_as_it_was(path: Path) -> None:
    written = json.loads(Report.read(path).to_json())
    assert written["protocol"] == json.loads(path.read_text())["protocol"]


@pytest.mark.parametrize(
    "change", [{"fingerprint": "0f1e2d3c" * 8}, {"fingerprint": PINNED["pgd-50"]}, {"steps": 2}]
)
def test_a_fingerprint_that_is_not_of_the_stages_is_refused(
    report: Report, tmp_path: Path, change: dict[str, Any]
) -> None:
    content = json.loads(report.to_json())
    where = content["protocol"] if "fingerprint" in change else content["protocol"]["stages"][0]
    where |= change
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=r"protocol.fingerprint is .* other hyper-parameters"):
        Report.read(path)


def test_a_plan_says_which_hyper_parameters_would_run(
    tiny_net: nn.Module, tiny_data: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_run(tiny_net, tiny_data, protocol("pgd-10"), Threat("Linf", "1/20"))
    assert plan.fingerprint == PINNED["pgd-10"]
    print_plan(plan)
    assert f"pgd-10{short(plan.fingerprint)}" in " ".join(capsys.readouterr().out.split())
