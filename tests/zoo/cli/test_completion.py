"""What a shell is offered when TAB is pressed, asked as its script asks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete, ShellComplete

import zoo
from eval.protocols import protocol
from zoo.catalogue import catalogue
from zoo.cli import cli
from zoo.cli.completion import LINES, VARIABLE
from zoo.cli.completion import command as completion

SILU = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


def offered(*words: str) -> list[str]:
    """What is offered for the last word, behind the others."""
    *before, last = words
    found = ShellComplete(cli, {}, "sat-zoo", VARIABLE).get_completions(before, last)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


@pytest.mark.parametrize(
    "words",
    [
        ("show", "resnet8-s"),
        ("eval", "resnet8-s"),
        ("list", "resnet8-s"),
        ("curve", "resnet8-s"),
        ("curve", "resnet8-relu-at-digits", "resnet8-s"),
        ("pull", "resnet50-silu-sat", "resnet8-s"),
        ("push", "--namespace", "me", "resnet8-s"),
        ("train", "resnet8-s"),
        ("reproduce", "resnet8-s"),
        ("import", "resnet8-s"),
        ("doctor", "resnet8-s"),
    ],
)
def test_every_command_that_takes_a_model_offers_their_names(words: tuple[str, ...]) -> None:
    assert offered(*words) == zoo.list_models("resnet8-s*")
    assert offered(*words[:-1], "resnet") == zoo.list_models("resnet*")


def test_attacks_are_offered_and_every_one_is_known() -> None:
    found = offered("eval", SILU, "--attack", "")
    assert {"autoattack", "clean", "pgd-50", "quick"} <= set(found)
    for name in found:
        assert protocol(name)
    assert offered("curve", SILU, "--attack", "pgd-2") == ["pgd-20"]


def test_a_list_is_offered_the_data_sets_that_it_takes() -> None:
    sets = {info.dataset for info in map(zoo.card, zoo.list_models())}
    assert offered("list", "--data", "") == sorted(sets)
    assert offered("list", "--data", "cif") == ["cifar10"]
    assert offered("list", "--data", "cifar10-") == []
    for name in sets:
        assert catalogue(data=name)


def test_behind_a_comma_only_stages_are_offered_that_can_stand_there() -> None:
    found = offered("eval", SILU, "--attack", "apgd-ce,")
    assert "apgd-ce,square" in found
    assert not {"apgd-ce,apgd-ce", "apgd-ce,autoattack", "apgd-ce,clean"} & set(found)
    assert offered("eval", SILU, "--attack", "apgd-ce,sq") == ["apgd-ce,square"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("eval", SILU, "--data", "cifar10-"), ["cifar10-folder", "cifar10-jpeg"]),
        (("list", "--data", "dig"), ["digits"]),
        (("train", SILU, "--data", "image"), ["imagenet"]),
        (("eval", SILU, "--norm", "L"), ["L2", "Linf"]),
        (("list", "--norm", "Li"), ["Linf"]),
        (("leaderboard", "show", "cifar10"), ["cifar10", "cifar10-jpeg", "cifar100"]),
        (("leaderboard", "export", "--data", "dig"), ["digits"]),
        (("leaderboard", "ex"), ["export"]),
        (("eval", SILU, "--engine", "f"), ["fast"]),
        (("compl",), ["completion"]),
    ],
)
def test_data_sets_norms_and_commands_are_offered(words: tuple[str, ...], found: list[str]) -> None:
    assert offered(*words) == found


def test_stored_results_are_offered_the_users_own_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    wanted = [f"{SILU}.autoattack", f"{SILU}.autoattack-reference"]
    assert offered("compare", f"{SILU}.auto") == wanted
    assert offered("compare", wanted[0], f"{SILU}.auto") == wanted
    results = Path(sys.modules["leaderboard"].__file__ or "").parent / "results"
    (tmp_path / "results").mkdir()
    shutil.copy(results / f"{SILU}.clean.json", tmp_path / "results" / "my-run.json")
    assert offered("compare", "my") == ["my-run"]


@pytest.mark.parametrize(
    "words",
    [
        ("eval", "./my"),
        ("compare", "out/"),
        ("eval", SILU, "--data", "/srv"),
        ("attest", "rep"),
        ("attest", "report.json", "--key", "k"),
        ("verify", "report.att.json", "--public-key", "k"),
    ],
)
def test_where_no_name_begins_so_files_are_offered(words: tuple[str, ...]) -> None:
    assert offered(*words) == ["<file>"]


@pytest.mark.parametrize(
    "words",
    [
        ("evall", "res"),
        ("leaderboard", "sow", "x"),
        ("eval", "--batch-size", "no", "--ou"),
        ("",),
    ],
)
def test_nothing_wrong_on_the_line_is_an_error(words: tuple[str, ...]) -> None:
    assert isinstance(offered(*words), list)


def test_a_broken_home_offers_nothing_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[str]:
        raise OSError("unreadable")

    monkeypatch.setattr("zoo.registry.list_models", fail)
    assert offered("show", "res") == []


def asked(words: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.argv[0] = 'sat-zoo'; from zoo.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    asks = {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asks, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_console_script_answers_without_torch(tmp_path: Path) -> None:
    done = asked("sat-zoo eval resnet8-silu", SAT_ZOO_HOME=str(tmp_path))
    wanted = "".join(f"plain,{name}\n" for name in zoo.list_models("resnet8-silu*"))
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted, "")


@pytest.mark.parametrize("shell", LINES)
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    done = sat_zoo_completion(shell)
    assert f"{VARIABLE}={shell}_complete" in done
    assert "sat-zoo" in done


def sat_zoo_completion(*arguments: str) -> str:
    from click.testing import CliRunner

    done = CliRunner().invoke(completion, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_without_a_shell_the_line_for_each_is_printed() -> None:
    assert sat_zoo_completion().splitlines() == list(LINES.values())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(sat_zoo_completion("bash"))
    line = f"source {tmp_path}/script && complete -p sat-zoo"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-F _sat_zoo_completion" in done.stdout
    assert BashComplete.name == "bash"
