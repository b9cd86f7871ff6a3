"""Without an attack there is no robust accuracy: in new Reports, and in old ones when read."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.errors import ReportError, UsageError
from eval.run import Progress


@pytest.fixture(scope="module")
def clean(tiny_net: nn.Module, tiny_data: ImageSet) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(evaluate(tiny_net, tiny_data, attack="clean").to_json())
    return loaded


@pytest.fixture(scope="module")
def attacked(tiny_net: nn.Module, tiny_data: ImageSet) -> dict[str, Any]:
    report = evaluate(tiny_net, tiny_data, attack="pgd-2", eps="1/20")
    loaded: dict[str, Any] = json.loads(report.to_json())
    return loaded


def old(clean: dict[str, Any]) -> dict[str, Any]:
    """As such a Report was written before."""
    verdicts = ["robust" if v == "right" else v for v in clean["images"]["verdicts"]]
    images = {**clean["images"], "verdicts": verdicts}
    return {**clean, "robust": clean["clean"], "images": images}


def read(tmp_path: Path, content: dict[str, Any]) -> Report:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    return Report.read(path)


def test_a_clean_run_has_no_robust_number_and_no_robust_image(clean: dict[str, Any]) -> None:
    assert clean["robust"] is None
    assert set(clean["images"]["verdicts"]) == {"clean", "right"}
    assert clean["images"]["verdicts"].count("right") == clean["clean"]["correct"]
    assert clean["survive_8bit"] == {"broken_after_rounding": 0, "n": 0}


def test_an_old_clean_report_is_read_as_what_it_measured(
    clean: dict[str, Any], tmp_path: Path
) -> None:
    assert json.loads(read(tmp_path, old(clean)).to_json()) == clean
    assert json.loads(read(tmp_path, clean).to_json()) == clean


@pytest.mark.parametrize("number", [{"correct": 60}, {"accuracy": 1.0}, {"estimated": True}])
def test_a_robust_number_of_a_clean_run_that_is_not_the_clean_one_is_refused(
    clean: dict[str, Any], tmp_path: Path, number: dict[str, Any]
) -> None:
    content = old(clean)
    content["robust"] = {**content["clean"], **number}
    with pytest.raises(ReportError, match="null where it has none: without an attack there is no"):
        read(tmp_path, content)


def test_an_attacked_report_cannot_go_without_its_robust_number(
    attacked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ReportError, match="robust must be an accuracy where the protocol has"):
        read(tmp_path, {**attacked, "robust": None})
    without = {key: value for key, value in attacked.items() if key != "robust"}
    with pytest.raises(ReportError, match="robust: Field required"):
        read(tmp_path, without)


def test_an_attacked_image_is_never_just_right(attacked: dict[str, Any], tmp_path: Path) -> None:
    verdicts = ["right" if v == "robust" else v for v in attacked["images"]["verdicts"]]
    images = {**attacked["images"], "verdicts": verdicts}
    with pytest.raises(ReportError, match="verdict 'right' names no stage of the protocol"):
        read(tmp_path, {**attacked, "images": images})


@pytest.mark.parametrize("broken", [None, [], {"stages": None}, {"stages": 3}, {"name": "clean"}])
def test_what_is_no_report_is_still_refused_in_one_sentence(
    clean: dict[str, Any], tmp_path: Path, broken: Any
) -> None:
    for name in ("protocol", "images"):
        with pytest.raises(ReportError, match=f"r.json is not a valid .*{name}"):
            read(tmp_path, {**clean, name: broken})


def test_a_clean_run_has_no_adversarial_image_to_save(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(UsageError, match="'clean' attacks nothing, so there are no adversarial"):
        evaluate(tiny_net, tiny_data, attack="clean", save_adversarial=path)
    assert not path.exists()


def test_progress_counts_what_is_right_not_what_is_robust(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    seen: list[Progress] = []
    report = evaluate(tiny_net, tiny_data, attack="clean", batch_size=20, on_progress=seen.append)
    assert seen[-1] == Progress("clean", 60, 60, n_right=report.clean.correct, n=60)


def test_the_schema_says_that_robust_may_be_null() -> None:
    robust = Report.model_json_schema(by_alias=True)["properties"]["robust"]
    assert {"type": "null"} in robust["anyOf"]
    assert "without an attack there is no robust accuracy" in robust["description"]
