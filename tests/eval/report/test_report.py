import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.errors import ReportError
from eval.intervals import wilson


@pytest.fixture(scope="module")
def good(tiny_net: nn.Module, tiny_data: ImageSet) -> dict[str, Any]:
    report = evaluate(tiny_net, tiny_data, attack="pgd-3", eps="1/20")
    loaded: dict[str, Any] = json.loads(report.to_json())
    return loaded


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson).
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(
    correct: int, n: int, low: float, high: float
) -> None:
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 10_000), data=st.data())
def test_an_interval_holds_its_share_and_mirrors(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low))


def read(tmp_path: Path, content: dict[str, Any]) -> Report:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    return Report.read(path)


def changed(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(good))
    *parents, last = path.split(".")
    node = copy
    for parent in parents:
        node = node[int(parent)] if parent.isdigit() else node[parent]
    node[last] = value
    return copy


def test_a_report_survives_the_round_trip(good: dict[str, Any], tmp_path: Path) -> None:
    assert json.loads(read(tmp_path, good).to_json()) == good


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", "sat-zoo/report@2", "schema: Input should be 'sat-zoo/report@1'"),
        ("surprise", 1, "surprise: Extra inputs are not permitted"),
        ("clean.correct", 3, "clean.correct is 3 but the images say 45"),
        ("robust.accuracy", 0.99, "robust.accuracy is 0.99 but the images say"),
        ("robust.ci95", [0.0, 1.0], r"robust.ci95\[0\] is 0.0 but the images say"),
        ("stages.0.broken", 1000, "stage pgd-3: broken is 1000 but the images say"),
        ("stages.0.name", "pgd-4", "stages do not have the names and order of protocol.stages"),
        ("data.n", 61, "data.n is 61 but the images say 60"),
        ("images.verdicts", ["magic"] * 60, "verdict 'magic' names no stage of the protocol"),
        ("images.ids", [], "images.ids is empty"),
        ("images.ids", ["0"] * 60, "images.ids holds an id twice"),
        (
            "robust",
            {"correct": 59, "n": 60, "accuracy": 59 / 60, "ci95": [0.9, 1.0]},
            "robust.correct is 59 and clean.correct only 45",
        ),
        ("data.ids_sha256", "0123" * 16, "data.ids_sha256 is (0123){16}, but the rest of it says"),
        ("survive_8bit.n", 0, "survive_8bit.n is 0, but the rest of it says"),
        ("survive_8bit.broken_after_rounding", 99, "is 99, but [0-9]+ images were broken"),
        ("threat.eps", 0.1, "threat.eps is 0.1, but the rest of it says 0.05"),
        ("threat.eps_text", "1/x", "threat: eps '1/x' is not a number"),
        ("threat.norm", "L7", "threat: unknown norm 'L7'"),
    ],
)
def test_a_report_whose_parts_disagree_is_refused(
    good: dict[str, Any], tmp_path: Path, path: str, value: Any, message: str
) -> None:
    with pytest.raises(ReportError, match=message):
        read(tmp_path, changed(good, path, value))


def test_a_newer_schema_and_missing_verdicts_say_what_to_do(
    good: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ReportError, match=r"this one is 'sat-zoo/report@2': use the sat-zoo that"):
        read(tmp_path, changed(good, "schema", "sat-zoo/report@2"))
    without = {key: value for key, value in good.items() if key != "images"}
    with pytest.raises(ReportError, match=r"images: Field required; without each image's verdict"):
        read(tmp_path, without)


def test_a_file_that_is_not_there_or_not_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"missing\.json cannot be read \(No such file"):
        Report.read(tmp_path / "missing.json")
    path = tmp_path / "text.json"
    path.write_text("hello")
    with pytest.raises(
        ReportError, match=r"text\.json is not a valid sat-zoo/report@1: .*Invalid JSON"
    ):
        Report.read(path)
