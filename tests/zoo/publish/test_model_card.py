import hashlib
import re
from functools import cache
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard as HubCard
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.leaderboard.early import ended_early
from zoo.cards import Claim, ModelCard
from zoo.publish.markdown import text
from zoo.publish.model_card import Page, render
from zoo.publish.reports import Result, results_in

DIGITS = "resnet8-silu-sat-digits"
HOSTILE = "x: y\n---\n# owned <script>alert(1)</script> [a](http://evil) | `b` {{ c }} \u2028 \x00"


@cache
def reports(name: str = DIGITS) -> tuple[Result, ...]:
    return tuple(found for found in results_in() if found.report.model.name == name)


def page(info: ModelCard, results: tuple[Result, ...] = (), **changes: Any) -> Page:
    facts: dict[str, Any] = {
        "info": info,
        "repo": f"org/{info.name}",
        "sha256": "ab" * 32,
        "size": 1234,
        "origin": "Somewhere.",
        "license_id": None,
        "results": results,
        "pretrained_cfg": None,
    }
    return Page(**(facts | changes))


def test_the_metadata_has_the_numbers_of_the_reports() -> None:
    found = reports()
    assert found
    data = HubCard(render(page(zoo.card(DIGITS), found, license_id="mit"))).data
    got = {(r.metric_type, r.metric_value) for r in data.eval_results}
    robust = {("robust_accuracy", f.report.robust.accuracy) for f in found if f.report.stages}
    assert got == robust | {("accuracy", found[0].report.clean.accuracy)}
    assert {r.dataset_name for r in data.eval_results} == {"digits"}
    assert (data.license, data.library_name, data.model_name) == ("mit", "sat-zoo", DIGITS)


def test_a_robust_number_is_named_with_protocol_ball_and_count() -> None:
    found = [f for f in reports() if f.report.protocol.name == "pgd-50"]
    data = HubCard(render(page(zoo.card(DIGITS), tuple(found)))).data
    result = next(r for r in data.eval_results if r.metric_type == "robust_accuracy")
    assert result.metric_name == (
        "robust accuracy, an upper bound (pgd-50, Linf eps 3/16), 288 of 360,"
        " 95 % interval 75.6 to 83.8 %"
    )
    report = found[0].report
    assert result.metric_args == {
        "protocol": "pgd-50",
        "protocol_id": report.protocol.id,
        "norm": "Linf",
        "eps": "3/16",
        "engine": "fast",
        "seed": 0,
        "upper_bound": True,
        "correct": report.robust.correct,
        "n": 360,
        "ci95": list(report.robust.ci95),
        "flags": [flag.code for flag in report.flags],
        "report": f"https://huggingface.co/org/{DIGITS}/blob/main/reports/{found[0].file}",
        "report_sha256": hashlib.sha256(found[0].content).hexdigest(),
        "weights_sha256": report.model.weights_sha256,
        "file_sha256": report.model.file_sha256,
        "source": f"sat-zoo {report.engine.version}",
    }


def test_the_table_calls_what_is_weaker_than_autoattack_an_upper_bound() -> None:
    rows = [r for r in render(page(zoo.card(DIGITS), reports())).splitlines() if "| `reports/" in r]
    assert len([row for row in rows if "), upper bound |" in row]) >= 2
    for row in rows:
        is_weak = "pgd-50" in row or r"quick&#64;1" in row
        assert ("), upper bound |" in row) is is_weak, row


def test_claims_stand_apart_and_never_in_the_metadata() -> None:
    content = render(page(zoo.card("resnet50-silu-sat")))
    measured, claimed = re.split("## Claimed by others, not measured here", content)
    assert "41.9 %" in claimed
    assert "41.9" not in measured
    assert "arXiv 2006.14536" in claimed
    assert "No Report of these weights: not published." in measured
    assert HubCard(content).data.eval_results is None


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    info = zoo.card(DIGITS).model_copy(update={"threat": None, "flops": None, "recipe": None})
    content = render(page(info))
    for row in ("threat model of the training", "multiply-adds", "recipe"):
        assert f"| {row} | not published |" in content
    assert HubCard(content).data.license == "unknown"
    assert "License of the weights: not published" in content


def test_timm_models_are_shown_with_timm() -> None:
    data = {"mean": [0.5], "std": [0.25]}
    content = render(page(zoo.card("efficientnet-b0-sat"), pretrained_cfg=data))
    assert 'timm.create_model("hf-hub:org/efficientnet-b0-sat", pretrained=True)' in content
    assert HubCard(content).data.library_name == "timm"
    assert HubCard(content).data.datasets == ["ILSVRC/imagenet-1k"]
    assert "timm alone cannot build" in render(page(zoo.card(DIGITS)))


def hostile_page(value: str) -> str:
    claim = Claim(accuracy=0.5, protocol=value, source=value, note=value)
    change = {"activation": value, "notes": (value,), "claims": (claim,), "dataset": value}
    found = next(f for f in reports() if f.report.protocol.name == "pgd-50")
    report = found.report.model_copy(
        update={"data": found.report.data.model_copy(update={"name": value, "split": value})}
    )
    result = Result(found.file, found.content, report)
    return render(page(zoo.card(DIGITS).model_copy(update=change), (result,), origin=value))


def test_hostile_text_stays_text() -> None:
    content = hostile_page(HOSTILE)
    metadata, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", content, re.S).groups()  # type: ignore[union-attr]
    parsed = yaml.safe_load(metadata)
    assert parsed["license"] == "unknown"
    assert parsed["tags"][3].startswith("x: y --- # owned")
    assert "<script>" not in body.replace("`x: y", "").split("## Measured")[1]
    assert "http://evil" not in body.split("## Measured")[1]
    assert not [line for line in body.splitlines() if line.startswith("# owned")]


@settings(max_examples=30)
@given(value=st.text(max_size=40))
def test_any_text_leaves_the_page_whole(value: str) -> None:
    plain, content = hostile_page("x"), hostile_page(value)
    got, want = HubCard(content).data, HubCard(plain).data
    assert [r.metric_value for r in got.eval_results] == [r.metric_value for r in want.eval_results]
    assert (got.license, got.library_name) == (want.license, want.library_name)
    bodies = [c.split("\n---\n", 1)[1] for c in (content, plain)]
    headings, rows = ([[s for s in b.splitlines() if s[:1] == c] for b in bodies] for c in "#|")
    assert headings[0] == headings[1]
    assert len(rows[0]) == len(rows[1])
    cells = [[len(re.findall(r"(?<!\\)\|", row)) for row in body] for body in rows]
    assert cells[0] == cells[1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a_b*c", r"a\_b\*c"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\n\nlines", "two lines"),
        ("pgd-10, 41.9 %", "pgd-10, 41.9 %"),
    ],
)
def test_markdown_is_escaped(value: str, shown: str) -> None:
    assert text(value) == shown


@pytest.mark.parametrize(
    "name", [DIGITS, "resnet8-relu-at-digits", "resnet18-w16-silu-sat-cifar10"]
)
def test_a_report_without_an_attack_adds_no_robust_number(name: str) -> None:
    (found,) = [f for f in reports(name) if not f.report.stages]
    shown = render(page(zoo.card(name), (found,)))
    assert {r.metric_type for r in HubCard(shown).data.eval_results} == {"accuracy"}
    (line,) = [line for line in shown.splitlines() if f"`reports/{found.file}`" in line]
    assert [cell.strip() for cell in line.split("|")][4] == ""


@pytest.mark.parametrize("settled", [1, 100, 280])
def test_an_estimate_is_published_as_one_and_counts_nothing(settled: int) -> None:
    (whole,) = [f for f in reports() if f.file.endswith("digits.autoattack.json")]
    cut = ended_early(whole.report, settled, after="apgd-ce")
    content = render(page(zoo.card(DIGITS), (Result("cut.json", b"", cut),)))
    result = next(
        r for r in HubCard(content).data.eval_results if r.metric_type == "robust_accuracy"
    )
    low, high = (f"{100 * end:.1f}" for end in cut.robust.ci95)
    assert result.metric_name.endswith(
        f"estimated, not all of 360 images settled, 95 % interval {low} to {high} %"
    )
    assert "correct" not in result.metric_args
    assert result.metric_args["estimated"] is True
    assert result.metric_args["open"] == cut.images.verdicts.count("open")
    assert result.metric_args["full_run"] == list(cut.estimate.full_run)
    assert f"{cut.robust.correct} of 360" not in content
    assert f"{100 * cut.robust.accuracy:.1f} ({low} to {high}), estimated |" in content
    assert "the interval covers the images that are open" in content


def test_a_page_of_whole_runs_does_not_speak_of_estimates() -> None:
    assert "stimated" not in render(page(zoo.card(DIGITS), reports()))
