"""What the Hub reads of our numbers, read back with huggingface_hub's own parsers."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, EvalResultEntry, parse_eval_result_entries
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from eval.errors import ReportError
from tests.leaderboard.early import ended_early
from zoo.publish.eval_results import OWN, is_bound, model_index, result_files
from zoo.publish.package import prepare
from zoo.publish.reports import Result, results_in

DIGITS = "resnet8-silu-sat-digits"
REPO = f"org/{DIGITS}"


@cache
def reports(name: str = DIGITS) -> tuple[Result, ...]:
    return tuple(found for found in results_in() if found.report.model.name == name)


def of(protocol: str, name: str = DIGITS) -> Result:
    return next(r for r in reports(name) if r.report.protocol.name == protocol)


def entries(*results: Result) -> list[EvalResultEntry]:
    files = result_files(results, REPO)
    return [e for file in files.values() for e in parse_eval_result_entries(yaml.safe_load(file))]


def indexed(*results: Result) -> list[EvalResult]:
    """The `model-index` through text and back."""
    index = yaml.safe_load(
        yaml.safe_dump(eval_results_to_model_index(DIGITS, model_index(results, REPO)))
    )
    name, found = model_index_to_eval_results(index)
    assert name == DIGITS
    return list(found)


def changed(result: Result, part: str, **changes: Any) -> Result:
    report = result.report
    new = getattr(report, part).model_copy(update=changes)
    return replace(result, report=report.model_copy(update={part: new}))


def test_every_report_has_a_file_whose_numbers_are_its_own() -> None:
    files = result_files(reports(), REPO)
    attacked = [r for r in reports() if r.report.stages]
    assert len(attacked) >= 3
    assert {f"{OWN}{r.file.removesuffix('.json')}.yaml" for r in attacked} <= set(files)
    got = {e.value for e in entries(*reports()) if e.task_id.startswith("robust")}
    assert got == {r.report.robust.accuracy for r in attacked if r.report.robust}
    assert [e.task_id for e in entries(*reports())].count("clean-accuracy") == 1


@pytest.mark.parametrize("protocol", ["pgd-50", "autoattack-standard@1", "clean"])
def test_no_number_stands_without_interval_count_attack_source_and_report(protocol: str) -> None:
    result = of(protocol)
    report = result.report
    share = report.robust or report.clean
    entry = entries(result)[-1]
    low, high = (f"{100 * end:.1f}" for end in share.ci95)
    for said in (
        f"{share.correct} of 360, 95 % interval {low} to {high} %, n 360 of digits (test)",
        f"seed {report.seed}",
        f"sat-zoo {report.engine.version}",
        f"weights_sha256 {report.model.weights_sha256}",
    ):
        assert said in entry.notes
    if report.robust is not None:
        assert f"{report.threat.norm} eps {report.threat.eps_text}" in entry.notes
        assert f"protocol {report.protocol.id}, engine" in entry.notes
    link = f"https://huggingface.co/{REPO}/blob/main/reports/{result.file}"
    assert entry.source_url == link
    assert entry.date == report.created
    (*_, metric) = indexed(result)
    assert metric.metric_value == share.accuracy
    assert f"95 % interval {low} to {high} %" in metric.metric_name
    assert metric.metric_args["report"] == link
    assert metric.metric_args["ci95"] == list(share.ci95)
    assert metric.metric_args["source"] == f"sat-zoo {report.engine.version}"


@pytest.mark.parametrize(
    ("protocol", "bound"),
    [
        ("pgd-50", True),
        ("fgsm", True),
        ("quick@1", True),
        ("pgd-sat-10@1", True),
        ("apgd-ce@1", True),
        ("custom-apgd-ce+square@1", True),
        ("autoattack-standard@1", False),
        ("autoattack-plus@1", False),
        ("autoattack-rand@1", False),
    ],
)
def test_what_is_weaker_than_autoattack_is_called_an_upper_bound(
    protocol: str, bound: bool
) -> None:
    result = changed(of("pgd-50"), "protocol", name=protocol)
    assert is_bound(result.report) is bound
    (*_, metric) = indexed(result)
    assert (", an upper bound (" in metric.metric_name) is bound
    assert metric.metric_args["upper_bound"] is bound


def test_an_upper_bound_has_a_task_of_its_own() -> None:
    tasks = [entry.task_id for entry in entries(of("pgd-50"), of("autoattack-standard@1"))]
    assert tasks == [
        "clean-accuracy",
        "robust-accuracy-upper-bound.pgd-50.linf-3-16",
        "robust-accuracy.autoattack-standard@1.linf-3-16",
    ]


@pytest.mark.parametrize("settled", [1, 100, 280])
def test_an_estimate_is_in_the_index_as_one_and_in_no_file(settled: int) -> None:
    whole = of("autoattack-standard@1")
    cut = replace(whole, report=ended_early(whole.report, settled, after="apgd-ce"))
    (entry,) = entries(cut)
    assert entry.task_id == "clean-accuracy"
    (*_, metric) = indexed(cut)
    assert "estimated, not all of 360 images settled, 95 % interval" in metric.metric_name
    assert metric.metric_args["estimated"] is True


@pytest.mark.parametrize(
    ("data", "hub"),
    [
        ("cifar10-jpeg", "cifar10-jpeg"),
        ("imagenet-partial", "imagenet-partial"),
        ("cifar10", "uoft-cs/cifar10"),
        ("imagenet", "ILSVRC/imagenet-1k"),
        ("digits", "digits"),
        ("folder", "folder"),
    ],
)
def test_only_the_exact_pictures_have_the_data_sets_name(data: str, hub: str) -> None:
    result = changed(of("pgd-50"), "data", name=data)
    assert {entry.dataset_id for entry in entries(result)} == {hub}
    assert {metric.dataset_type for metric in indexed(result)} == {hub}
    assert {metric.dataset_name for metric in indexed(result)} == {data}
    assert all(f" of {data} (" in entry.notes for entry in entries(result))


def test_the_jpeg_copy_of_a_committed_report_says_so() -> None:
    mine = reports("resnet18-w16-silu-sat-cifar10")
    copies = [r for r in mine if r.report.data.name == "cifar10-jpeg"]
    assert copies
    assert {e.dataset_id for e in entries(*copies)} == {"cifar10-jpeg"}


@pytest.mark.parametrize("file", ["a/../b.json", "ü b.json", "-\n.json", f"{'x' * 300}.json"])
def test_a_reports_name_cannot_lead_out_of_the_folder(file: str) -> None:
    result = replace(of("pgd-50"), file=file)
    (path,) = result_files([result], REPO)
    assert re.fullmatch(r"\.eval_results/sat-zoo\.[\w.+@-]{1,110}\.yaml", path)
    other = replace(result, file=file.replace(".json", "\t.json"))
    assert len(result_files([result, other], REPO)) == 2


def test_the_digest_of_the_file_stands_beside_that_of_the_tensors_where_it_is_known() -> None:
    result = changed(of("pgd-50"), "model", file_sha256="0123" * 16)
    assert all(f"file_sha256 {'0123' * 16}" in entry.notes for entry in entries(result))
    assert all(metric.metric_args["file_sha256"] == "0123" * 16 for metric in indexed(result))


@pytest.mark.parametrize("text", ["x: y\n- a", "'\"", "{{ c }} | <b>", "\u2028\x00 z", "- "])
def test_hostile_names_stay_texts(text: str) -> None:
    result = changed(of("pgd-50"), "data", name=text, split=text)
    assert [e.value for e in entries(result)] == [e.value for e in entries(of("pgd-50"))]
    for entry in entries(result):
        assert re.fullmatch(r"[a-z0-9@+-]+", entry.dataset_id)


def test_a_report_that_only_calls_itself_autoattack_is_not_published() -> None:
    (stage, *_) = (weak := of("pgd-50")).report.protocol.stages
    assert stage.attack == "pgd"
    false = changed(weak, "protocol", name="autoattack-standard@1")
    with pytest.raises(ReportError, match=r"report .*pgd-50.json is not published: "):
        result_files([false], REPO)


def test_the_files_are_part_of_what_is_pushed() -> None:
    package = prepare(DIGITS, "org", results=results_in())
    found = {f.path: f.content for f in package.files if f.path.startswith(OWN)}
    assert found == result_files(reports_in_order(package.files), REPO)
    assert len(found) >= 4


def reports_in_order(files: Any) -> list[Result]:
    names = [f.path.removeprefix("reports/") for f in files if f.path.startswith("reports/")]
    return [next(r for r in reports() if r.file == name) for name in names]
