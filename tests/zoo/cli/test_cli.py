import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import zoo
from eval import Report
from eval import evaluation as evaluation_module
from zoo.cli import GROUP

DIGITS = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


@pytest.mark.parametrize("command", sorted(entry.name for entry in entry_points(group=GROUP)))
def test_every_command_has_help_with_examples(sat_zoo: Run, command: str) -> None:
    done = sat_zoo(command, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"sat-zoo {command}" in done.out
    assert "Example" in done.out
    assert command in sat_zoo("--help").out


@pytest.mark.parametrize("group", [(), ("leaderboard",)])
def test_a_group_without_a_command_shows_its_help(sat_zoo: Run, group: tuple[str, ...]) -> None:
    done = sat_zoo(*group)
    assert (done.code, done.err) == (0, "")
    assert done.out == sat_zoo(*group, "--help").out
    assert done.out.count("\n") > 10


def test_list_names_every_model_whole(sat_zoo: Run) -> None:
    lines = sat_zoo("list").out.splitlines()[1:]
    assert sorted(line.split()[0] for line in lines[: len(zoo.list_models())]) == zoo.list_models()
    assert [c["name"] for c in json.loads(sat_zoo("list", "*digits", "--json").out)] == (
        zoo.list_models("*digits")
    )


def test_show_says_what_is_known_and_what_is_not_published(sat_zoo: Run) -> None:
    out = sat_zoo("show", "resnet50-silu-sat").out
    for fact in ("25,557,032", "Linf, eps 4/255", "42.3 % pgd-200", "arXiv 2006.14536"):
        assert fact in out
    assert "not published" in sat_zoo("show", "resnet50-mish-sat").out
    assert json.loads(sat_zoo("show", DIGITS, "--json").out)["parameters"] == 77754


def test_eval_prints_a_valid_report_as_json(sat_zoo: Run) -> None:
    done = sat_zoo("eval", DIGITS, "--attack", "pgd-10", "--n", "32", "--json")
    report = Report.model_validate_json(done.out)
    assert done.code == 0
    assert report.data.n == 32
    assert report.data.name == "digits"
    assert report.model.source == "bundled"
    assert report.threat.eps_text == "3/16"
    assert report.command == f"sat-zoo eval {DIGITS} --attack pgd-10 --n 32 --json"


def test_eval_prints_a_table_and_writes_the_report(sat_zoo: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    done = sat_zoo("eval", DIGITS, "--attack", "fgsm", "--n", "32", "--out", str(path))
    report = Report.read(path)
    assert f"{100 * report.robust.accuracy:.1f} %  ({report.robust.correct} of 32" in done.out
    assert f"report written to {path}" in done.out


def test_schema_is_the_one_reports_are_checked_by(sat_zoo: Run) -> None:
    schema = json.loads(sat_zoo("schema", "report").out)
    later = {"estimate"}  # which older Reports do not have
    assert {*schema["required"], *later} == set(json.loads(_small_report().to_json()))
    assert set(schema["properties"]) == {*schema["required"], *later}


def _small_report() -> Report:
    from eval import evaluate, open_data

    return evaluate(zoo.load(DIGITS), open_data("digits").take(2), attack="clean")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["eval", "resnet50-silu-sat", "--attack", "autoattack"], 3, "are not on this machine"),
        (["eval", "nothing"], 2, "unknown model 'nothing'"),
        (["eval", DIGITS, "--attack", "autoatack"], 2, "did you mean autoattack"),
        (["eval", DIGITS, "--eps", "8"], 2, "did you mean 8/255?"),
        (["eval", DIGITS, "--eps", "0"], 2, "eps '0' is not positive"),
        (["eval", DIGITS, "--norm", "L1"], 2, "eps 3/16 is for Linf; give --eps too"),
        (["eval", DIGITS, "--norm", "L1", "--eps", "1"], 2, "unknown norm 'L1'"),
        (["eval", DIGITS, "--data", "mnist"], 2, "unknown data set 'mnist'"),
        (["eval", DIGITS, "--n", "9999"], 2, "n = 9999 is not possible"),
        (["eval", DIGITS, "--n", "many"], 2, "'many' is not a valid integer"),
        (["eval", DIGITS, "--weights", "no.safetensors"], 2, "no.safetensors is not a file"),
        (["eval", DIGITS, "--out", "no/such/r.json"], 1, "the folder no/such does not exist"),
        (["eval", DIGITS, "--data", "cifar10", "--data-dir", "no-dir"], 1, "no-dir"),
        (["evall", DIGITS], 2, "unknown command 'evall': did you mean eval?"),
        (["list", "zzz*"], 2, "pattern 'zzz*' matches no model"),
        (["show", "resnet50"], 2, "unknown model 'resnet50'"),
        (["train", "resnet50-mishh-sat"], 2, "did you mean resnet50-mish-sat"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_an_exit_code(
    sat_zoo: Run, args: list[str], code: int, message: str
) -> None:
    done = sat_zoo(*args)
    assert done.code == code
    assert message in done.err
    assert done.err.startswith("sat-zoo: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert done.out == ""


def test_debug_shows_the_traceback(sat_zoo: Run) -> None:
    assert "Traceback" in sat_zoo("--debug", "show", "nothing").err


def test_ctrl_c_ends_with_130(sat_zoo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_module, "evaluate", interrupted)
    done = sat_zoo("eval", DIGITS, "--n", "2")
    assert done.code == 130
    assert [line for line in done.err.splitlines() if line] == [
        f"sat-zoo: go on with: sat-zoo eval {DIGITS} --n 2",
        "sat-zoo: interrupted",
    ]
