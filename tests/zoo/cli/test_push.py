import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard as HubCard
from huggingface_hub import constants, parse_eval_result_entries
from safetensors.torch import save_file

import zoo
from eval import Report
from tests.hubserver import HubServer
from zoo.golden.file import read_golden
from zoo.hub.pins import Pin

DIGITS = "resnet8-silu-sat-digits"
NOT_HERE = "resnet50-silu-sat"
B0 = "efficientnet-b0-sat"
RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"
Run = Callable[..., Any]

PULL_AND_LOAD = f"""
import contextlib, json, sys
from zoo.cli import main
sys.argv = ["sat-zoo", "pull", "{B0}"]
with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
    main()
import timm, torch, zoo
x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
ours = zoo.load("{B0}")
net = timm.create_model("hf-hub:org/{B0}", pretrained=True).eval()
mean, std = (torch.tensor(net.pretrained_cfg[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
with torch.inference_mode():
    both = ours(x).tolist(), net((x - mean) / std).tolist()
print(json.dumps([ours.source, *both]))
"""


@pytest.fixture(autouse=True)
def _no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def fresh_process(code: str, *args: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_pushed_is_pulled_and_computes_the_same_here_and_in_timm(
    hub: HubServer, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = zoo.load(B0, pretrained=False)
    weights = tmp_path / "b0.safetensors"
    save_file(model.net.state_dict(), weights)
    sent = weights.read_bytes()
    hub.tokens["hf_writer"] = "write"
    hf_home, home = tmp_path / "hf", tmp_path / "home"
    env = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(hf_home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_writer",
        "SAT_ZOO_HOME": str(home),
    }

    args = ("push", B0, "--namespace", "org", "--weights", str(weights), "--private")
    out = fresh_process("from zoo.cli import main; main()", *args, env=env)
    pin = Pin(**json.loads((home / "pins.json").read_text())[B0])
    assert hub.files(pin.repo, pin.revision)[pin.file] == sent
    assert pin.revision in out
    assert "hf_writer" not in out

    weights.unlink()
    shutil.rmtree(hf_home, ignore_errors=True)
    source, ours, theirs = json.loads(fresh_process(PULL_AND_LOAD, env=env))
    (golden,) = hf_home.rglob("golden.safetensors")
    found = read_golden(golden, hashlib.sha256(sent).hexdigest())
    assert found is not None
    assert len(found.pictures) == 8
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert source == "hub"
    for logits in (ours, theirs):  # one float32 sum may be ordered otherwise in another process
        torch.testing.assert_close(torch.tensor(logits), model(x), rtol=1e-5, atol=1e-6)


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("_no_network")
def test_a_dry_run_shows_everything_and_touches_nothing(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo("push", DIGITS, "--namespace", "org", "--private", "--dry-run")
    assert done.code == 0
    sha256 = zoo.card(DIGITS).bundled.sha256  # type: ignore[union-attr]
    lines = done.out.splitlines()
    assert lines[0].split() == [f"org/{DIGITS}", "bytes", "sha256"]
    assert lines[1].split() == ["model.safetensors", "318,472", sha256]
    listed = {line.split()[0] for line in lines[1:] if len(line.split()) == 3}
    assert {"config.json", "README.md", "card.json", "recipe.yaml"} <= listed
    config = done.out.split("--- config.json\n")[1].split("--- README.md")[0]
    assert json.loads(config)["sat_zoo"]["card"]["name"] == DIGITS
    readme = done.out.split("--- README.md\n")[1]
    assert HubCard(readme).data.model_name == DIGITS
    file = f".eval_results/sat-zoo.{DIGITS}.autoattack.yaml"
    assert file in listed
    shown = done.out.split(f"--- {file}\n")[1].split("\n---")[0]
    (entry,) = parse_eval_result_entries(yaml.safe_load(shown))
    assert entry.value == Report.read(RESULTS / f"{DIGITS}.autoattack.json").robust.accuracy
    assert lines[-1] == "dry run: nothing was uploaded, no pin was written"
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("_no_network")
def test_all_means_what_is_here_and_names_the_rest(sat_zoo: Run) -> None:
    done = sat_zoo("push", "--all", "--namespace", "org", "--dry-run")
    assert done.code == 0
    skipped = done.out.splitlines()[0].removeprefix("skipped, no weights here: ").split(", ")
    bundled = [name for name in zoo.list_models() if zoo.card(name).bundled]
    assert sorted([*skipped, *bundled]) == zoo.list_models()
    assert [name for name in bundled if f"org/{name} " not in done.out] == []


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--namespace", "org"], 2, "name the models to publish, or all of them with --all"),
        (["--all", DIGITS, "--namespace", "org"], 2, "not both"),
        ([DIGITS], 2, "Missing option '--namespace'"),
        ([DIGITS, "--namespace", "../x"], 2, "--namespace '../x' cannot be one"),
        (["resnet8-silu-sat", "--namespace", "org"], 2, "unknown model 'resnet8-silu-sat'"),
        (["--all", "--weights", "f", "--namespace", "org"], 2, "--weights f is one file"),
        ([DIGITS, "--weights", "no", "--namespace", "org"], 2, "--weights no is not a file"),
        ([DIGITS, "--results", "no", "--namespace", "org"], 2, "--results no is not a folder"),
        ([DIGITS, "--pins", "no/p", "--namespace", "org"], 1, "--pins no/p: the folder no"),
        ([DIGITS, NOT_HERE, "--namespace", "org"], 3, f"the weights of '{NOT_HERE}' are not on"),
        ([DIGITS, "--namespace", "org"], 1, "there is no Hugging Face token"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_sent(
    sat_zoo: Run, args: list[str], code: int, message: str
) -> None:
    done = sat_zoo("push", *args)
    assert message in done.err
    assert (done.code, done.err.count("\n"), done.out) == (code, 1, "")


def test_push_has_help_with_examples(sat_zoo: Run) -> None:
    out = sat_zoo("push", "--help").out
    assert "sat-zoo push --all --namespace ORG" in out
