"""A Report that a stranger made: numbers, texts and parts that cannot be are refused, at once."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import Report, evaluate
from eval.data import ImageSet, from_tensors
from eval.errors import DataError, ReportError, UsageError

COMMITTED = Path(__file__).parents[3] / "leaderboard" / "results"


@pytest.fixture(scope="module")
def good(tiny_net: nn.Module, tiny_data: ImageSet) -> dict[str, Any]:
    report = evaluate(tiny_net, tiny_data, attack="pgd-3", eps="1/20")
    loaded: dict[str, Any] = json.loads(report.to_json())
    return loaded


def changed(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(good))
    *parents, last = path.split(".")
    node: Any = copy
    for parent in parents:
        node = node[int(parent)] if parent.isdigit() else node[parent]
    node[int(last) if last.isdigit() else last] = value
    return copy


def refused(path: Path) -> str:
    """The one sentence with which the file is refused, in no time."""
    started = time.process_time()
    with pytest.raises(ReportError) as caught:
        Report.read(path)
    assert time.process_time() - started < 2
    said = str(caught.value)
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 1500
    return said


def refused_content(tmp_path: Path, content: dict[str, Any]) -> str:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    return refused(path)


@pytest.mark.parametrize("path", sorted(COMMITTED.glob("*.json")), ids=lambda path: path.stem)
def test_every_committed_report_is_read(path: Path) -> None:
    assert Report.read(path).model.name in path.name


NUMBERS = (
    "clean.correct",
    "clean.accuracy",
    "robust.ci95.0",
    "data.n",
    "model.parameters",
    "model.classes",
    "threat.eps",
    "seed",
    "seconds",
    "images.labels.3",
    "survive_8bit.broken_after_rounding",
    "stages.0.rejected",
    "stages.0.seconds",
    "stages.0.forwards",
    "stages.0.backwards",
    "stages.0.last_iterate_accuracy",
    "protocol.stages.0.steps",
    "protocol.stages.0.eot",
    "protocol.stages.0.rho",
)


@pytest.mark.parametrize("field", NUMBERS)
def test_no_number_is_without_bound_or_none_at_all(
    good: dict[str, Any], tmp_path: Path, field: str
) -> None:
    name = field.split(".", maxsplit=1)[0]
    for value in (10**399, -(10**399), -1e300, 10**25, "5", True, [1]):
        assert name in refused_content(tmp_path, changed(good, field, value)), value


@pytest.mark.parametrize("text", ["1" + "0" * 400, "NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["clean.accuracy", "seconds", "model.parameters"])
def test_what_is_no_number_of_json_is_refused(
    good: dict[str, Any], tmp_path: Path, field: str, text: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(changed(good, field, "HERE")).replace('"HERE"', text))
    assert re.search("digits in a number|no number in JSON|is too large", refused(path))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("clean.accuracy", -0.1, "clean.accuracy: Input should be greater than or equal to 0"),
        ("robust.ci95", [-1.0, 2.0], "robust.ci95.0: Input should be greater than or equal to 0"),
        ("stages.0.backwards", -1, "stages.0.backwards: Input should be greater than or eq"),
        ("stages.0.rejected", -5, "stages.0.rejected: Input should be greater than or equal"),
        ("data.official_subset", "yes", "data.official_subset: Input should be a valid bool"),
        ("data.pixels_sha256", "f" * 63, "data.pixels_sha256: String should match"),
        ("model.weights_sha256", "F" * 64, "model.weights_sha256: String should match"),
        ("model.file_sha256", "", "model.file_sha256: String should match"),
        ("created", "yesterday", "created: String should match"),
        ("created", "2026-13-01T00:00:00Z", "created: String should match"),
        ("created", "2026-12-01T00:00:00Z\n", "created: String should match"),
        ("images.labels.0", 5, "label 5 is not one of the model's 5 classes"),
        ("model.classes", 3, "is not one of the model's 3 classes"),
        ("images.ids.0", "", "images.ids.0: String should have at least 1 character"),
        ("images.ids.0", "a" * 5000, "images.ids.0: String should have at most 4096 char"),
        ("images.labels", [0], "length of images.labels is 1 but the images say 60"),
        ("threat.eps_text", "1e3000000000", "threat: eps '1e3000000000' is not a number"),
        ("threat.eps_text", "0." + "0" * 300 + "1", "threat.eps_text: String should have at most"),
        ("protocol.stages.0.step_size", "1e-3000000000", "step size '1e-3000000000' is not a posi"),
        ("protocol.stages.0.step_size", "eps/0", "step size 'eps/0' is not a positive number"),
        ("stages.0.seconds", 1e11, "stages.0.seconds: Input should be less than or equal to"),
        ("flags", [{"code": "a", "detail": "b"}] * 1001, "flags: Tuple should have at most 1000"),
    ],
)
def test_a_value_out_of_its_range_is_named(
    good: dict[str, Any], tmp_path: Path, field: str, value: Any, message: str
) -> None:
    assert message in refused_content(tmp_path, changed(good, field, value))


@pytest.mark.parametrize("field", ["model.name", "data.name", "data.split", "engine.device"])
@pytest.mark.parametrize(
    "text", ["\x1b[1A\x1b[2Krobust 98", "a\nb", "\u202egnp", "\x9b2J", "n" * 201]
)
def test_a_name_is_one_line_that_draws_nothing(
    good: dict[str, Any], tmp_path: Path, field: str, text: str
) -> None:
    said = refused_content(tmp_path, changed(good, field, text))
    assert f"{field}: " in said
    assert "control character" in said or "at most 200 characters" in said


def test_what_only_says_something_is_made_visible_and_short(
    good: dict[str, Any], tmp_path: Path
) -> None:
    content = changed(good, "command", "sat-zoo eval \x1b[2J" + "x" * 10_000)
    content["flags"] = [{"code": "model-dtype", "detail": "two\nlines"}]
    (tmp_path / "r.json").write_text(json.dumps(content))
    report = Report.read(tmp_path / "r.json")
    assert report.command.startswith(r"sat-zoo eval \x1b[2Jxxx")
    assert len(report.command) < 4010
    assert report.flags[0].detail == r"two\nlines"


def two_stages(good: dict[str, Any], second: str) -> dict[str, Any]:
    content = changed(good, "command", "")
    content["protocol"]["stages"].append({**good["protocol"]["stages"][0], "name": second})
    content["stages"].append({**good["stages"][0], "name": second})
    return content


@pytest.mark.parametrize("name", ["pgd-3", "robust", "clean", "right"])
def test_a_stage_cannot_be_called_as_a_verdict_or_another_stage(
    good: dict[str, Any], tmp_path: Path, name: str
) -> None:
    said = refused_content(tmp_path, two_stages(good, name))
    assert "two stages are called" in said or "which is a verdict of its own" in said


def test_the_last_iterates_lie_between_what_stands_and_what_was_attacked(
    good: dict[str, Any], tmp_path: Path
) -> None:
    stage = good["stages"][0]
    least, most = stage["attacked"] - stage["broken"], stage["attacked"]
    assert 0 < least < most < 60
    field, path = "stages.0.last_iterate_accuracy", tmp_path / "r.json"
    good = changed(good, "stages.0.forwards", 4 * most)  # to the end of every run
    good = changed(good, "stages.0.backwards", 3 * most)
    for n_right in range(least, most + 1):
        path.write_text(json.dumps(changed(good, field, n_right / 60)))
        assert Report.read(path).stages[0].last_iterate_accuracy == n_right / 60
    for n_right, why in (
        (least - 1, f"but the {least} that the stage did not break were right"),
        (0, "were right at their last iterate too"),
        (most + 1, f"but only {most} were right before"),
        (60, f"but only {most} were right before"),
        (least + 0.5, "which is no share of 60 images"),
    ):
        assert why in refused_content(tmp_path, changed(good, field, n_right / 60))


def test_nothing_is_rejected_where_nothing_was_attacked(
    good: dict[str, Any], tmp_path: Path
) -> None:
    content = changed(good, "images.verdicts", ["clean"] * 60)
    none = {"correct": 0, "n": 60, "accuracy": 0.0, "ci95": [0.0, 0.06017185214208986]}
    content |= {"clean": none, "robust": none, "survive_8bit": {"broken_after_rounding": 0, "n": 0}}
    content["stages"][0] |= {"attacked": 0, "broken": 0, "accuracy_after": 0.0, "rejected": 0}
    content["stages"][0]["last_iterate_accuracy"] = 0.0
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert Report.read(tmp_path / "r.json").robust.correct == 0  # type: ignore[union-attr]
    said = refused_content(tmp_path, changed(content, "stages.0.rejected", 3))
    assert "rejected is 3, but no image was attacked" in said


def deep(n: int) -> bytes:
    return b'{"schema": ' + b"[" * n + b"]" * n + b"}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (deep(2000), "brackets within brackets"),
        (deep(200_000), "brackets within brackets"),
        (b"[" * 10**6, "brackets within brackets"),
        (b'{"a":' * 10**5, "brackets within brackets"),
        (b'{"seed": 0, "seed": 1}', "the key 'seed' stands twice"),
        (b'{"a": {"\\u001b[2J": 0, "\\u001b[2J": 1}}', r"the key '\x1b[2J' stands twice"),
        (b"[" + b"0," * 5_000_000 + b"0]", "values, more than the 4,000,000 allowed"),
        (b'"' + b"\\" * 10**6, "Invalid JSON"),
        (b'"' + b'\\"' * 10**6, "Invalid JSON"),
        (b"{" + b",".join(b'"%d":0' % i for i in range(10**5)) + b"}", "keys, more than 100"),
        (b"\xff\xfe{}", "it is no UTF-8 at byte 0"),
        (b"", "Invalid JSON"),
        (b"null", "report: Input should be a valid dictionary"),
        (b"[]", "report: Input should be a valid dictionary"),
    ],
)
def test_a_text_that_asks_for_too_much_is_refused_at_once(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    assert message in refused(path)


def test_a_million_faults_are_one_sentence(good: dict[str, Any], tmp_path: Path) -> None:
    content = changed(good, "images", {"ids": [0] * 10**6, "labels": [""] * 10**6, "verdicts": []})
    assert "images.ids.0: Input should be a valid string" in refused_content(tmp_path, content)


def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    for name in ("fifo", "zero", "folder", "loop", "missing"):
        assert "cannot be read (" in refused(tmp_path / f"{name}.json")
    monkeypatch.setenv("SAT_ZOO_LIMITS", "record_bytes=5")
    (tmp_path / "large.json").write_text("[1, 2]")
    assert "SAT_ZOO_LIMITS=record_bytes=6 allows them" in refused(tmp_path / "large.json")


@pytest.mark.parametrize("name", ["a\x1b[2J", "two\nlines", "n" * 201])
def test_a_name_that_no_report_can_have_is_refused_before_the_attack(
    tiny_net: nn.Module, tiny_data: ImageSet, name: str
) -> None:
    def nothing_runs(_: object) -> None:
        pytest.fail("the attack began")

    with pytest.raises(UsageError, match="the model's name cannot be"):
        evaluate(tiny_net, tiny_data, attack="pgd-1", name=name, on_progress=nothing_runs)
    batch = tiny_data.batch(range(4))
    named: Callable[[str], ImageSet] = lambda name: from_tensors(batch.x, batch.y, name=name)  # noqa: E731
    with pytest.raises(DataError, match="no report can name these images"):
        evaluate(tiny_net, named(name), attack="pgd-1", on_progress=nothing_runs)
