import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.numpy import save

import zoo
from tests.hubserver import FOREVER, Fault, HubServer
from zoo import registry
from zoo.hub.pins import Pin, pin_of, write_pin
from zoo.weights.beside import golden_beside
from zoo.weights.find import find_weights

Run = Callable[..., Any]
NAME = "resnet50-silu-sat"  # too large ever to be bundled; what we publish under it is small
OTHERS = ["resnet50-elu-sat", "resnet50-gelu-sat", "resnet50-mish-sat"]
DIGITS = "resnet8-silu-sat-digits"
ABSENT = next(
    info.name
    for info in map(registry.card, sorted(registry.own_models()))
    if info.dataset == "cifar10" and info.bundled is None
)
WEIGHTS = save({"a": np.arange(75_000, dtype=np.float32)})
DOWNLOAD = "^GET .*/resolve/"
TOKEN = "hf_thisIsTheSecret"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> None:
    """The Hub on loopback and an empty cache, as HF_ENDPOINT and HF_HOME would name them.

    huggingface_hub reads them once, when it is imported: hence its constants.
    """
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("zoo.hub.transfer.sleep", lambda _: None)


def publish(hub: HubServer, name: str, content: bytes) -> Pin:
    repo = f"org/{name}"
    commit = hub.add(repo, {"model.safetensors": content})
    sha256 = hashlib.sha256(content).hexdigest()
    pin = Pin(repo=repo, revision=commit, sha256=sha256, size=len(content))
    write_pin(name, pin)
    return pin


@pytest.fixture
def pin(hub: HubServer) -> Pin:
    return publish(hub, NAME, WEIGHTS)


def test_a_pull_says_how_much_and_a_second_one_asks_nobody(
    sat_zoo: Run, hub: HubServer, pin: Pin
) -> None:
    done = sat_zoo("pull", NAME)
    assert done.code == 0
    assert f"300.1 kB  org/{NAME} at {pin.revision[:12]}" in done.out
    assert "to download: 300.1 kB\n1 of 1 models are here\n" in done.out
    hub.requests.clear()
    done = sat_zoo("pull", NAME)
    assert "Hub cache" in done.out
    assert "to download: 0 bytes\n1 of 1 models" in done.out
    assert hub.requests == []


def test_several_models_come_at_once_and_the_unpublished_are_listed(
    sat_zoo: Run, hub: HubServer, pin: Pin, tmp_path: Path
) -> None:
    contents = {name: save({name: np.arange(9)}) for name in OTHERS}
    contents[OTHERS[0]] = save({"b": np.ones(75_000, dtype=np.float32)})
    for name, content in contents.items():
        publish(hub, name, content)
    hub.break_next(Fault(on=f"^GET .*{OTHERS[0]}", pause_s=0.02))
    args = ["--source", "hub", "--to", str(tmp_path / "to")]
    done = sat_zoo("pull", "resnet50-*", *args)
    assert done.code == 0
    assert re.search(r"resnet50-relu-at +not published yet\n", done.out)
    done = sat_zoo("pull", DIGITS, "--to", str(tmp_path / "to"))
    assert "bundled" in done.out
    files = {path.stem: path.read_bytes() for path in (tmp_path / "to").iterdir()}
    bundled = find_weights(zoo.card(DIGITS)).path
    golden = golden_beside(bundled).read_bytes()
    asked = [request.path for request in hub.requests if "golden" not in request.path]
    assert OTHERS[0] in asked[-1]  # the slow one held up nobody
    mine = {DIGITS: bundled.read_bytes(), f"{DIGITS}.golden": golden}
    assert files == {NAME: WEIGHTS, **mine, **contents}


def test_one_that_fails_does_not_keep_the_others(sat_zoo: Run, hub: HubServer, pin: Pin) -> None:
    gone = publish(hub, OTHERS[0], WEIGHTS)
    del hub.repos[gone.repo]
    done = sat_zoo("pull", OTHERS[0], NAME)
    assert done.code == 3
    assert "1 of 2 models were not pulled: org/resnet50-elu-sat does not exist on" in done.err
    hub.requests.clear()
    assert sat_zoo("pull", NAME).code == 0
    assert hub.requests == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["resnet50-silu-sit"], 2, "unknown model 'resnet50-silu-sit': did you mean resnet50-silu"),
        (["vgg*"], 2, "pattern 'vgg*' matches no model: see all with sat-zoo list"),
        ([], 2, "name a model or a pattern such as 'resnet50-*', or pass --all"),
        ([NAME, "--all"], 2, "--all names every model already: leave out 'resnet50-silu-sat'"),
        ([NAME, "--repo", "org/x"], 2, "--repo OWNER/NAME, --revision REV (and --pin) belong"),
        ([NAME, "--file", "x"], 2, "--file x is a file of --repo: add --repo OWNER/NAME"),
        (["--all", "--repo", "a/b"], 2, "--all is not for --repo, which holds one model"),
        ([NAME, "--check", "--pin"], 2, "--check is not for --repo, which holds one model"),
        ([NAME, "--pin"], 2, "belong together: pass both"),
        (["--repo", "org/x", "--revision", "main"], 2, "--repo takes the weights of one model"),
        ([NAME, "--repo", "x", "--revision", "y"], 2, "'x' is no OWNER/NAME of the Hub: name a"),
        ([NAME, "--repo", "a/b", "--revision", "y"], 3, "a/b does not exist on http://127.0.0.1"),
        ([ABSENT], 3, f"the weights of '{ABSENT}' are not on this machine and are not published"),
        ([ABSENT], 3, f"yet: train it with: sat-zoo train {ABSENT}; take them from a repository"),
        ([ABSENT], 3, f"sat-zoo pull {ABSENT} --repo OWNER/NAME --revision REV; pass --weights"),
        (
            ["resnet18-[gm]*-sat-cifar10"],
            3,
            "are not on this machine and are not published yet",
        ),
    ],
)
def test_what_cannot_be_pulled_is_said_in_a_sentence(
    sat_zoo: Run, args: list[str], code: int, said: str
) -> None:
    done = sat_zoo("pull", *args)
    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_check_finds_wrong_bytes_and_the_next_pull_replaces_them(
    sat_zoo: Run, hub: HubServer, pin: Pin
) -> None:
    assert sat_zoo("pull", NAME).code == 0
    hub.requests.clear()
    done = sat_zoo("pull", "--check")
    assert done.code == 0
    assert f"ok   {NAME}  hub  " in done.out
    assert f"ok   {DIGITS}  bundled  " in done.out
    path = find_weights(zoo.card(NAME)).path
    before = path.stat()
    path.write_bytes(WEIGHTS[:-1] + b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk that rots
    done = sat_zoo("pull", NAME, "--check")
    assert done.code == 1
    assert f"BAD  {NAME}  hub  {path}" in done.out
    assert f"1 of 1 files do not have the promised sha256: {NAME} (hub)" in done.err
    assert hub.requests == []
    assert sat_zoo("pull", NAME).code == 0
    assert path.read_bytes() == WEIGHTS
    assert sat_zoo("pull", NAME, "--check").code == 0


def test_a_repository_of_the_users_choice_is_resolved_fetched_and_pinned(
    sat_zoo: Run, hub: HubServer, tmp_path: Path
) -> None:
    commit = hub.add("me/mine", {"model.safetensors": WEIGHTS, "b.safetensors": b"no header" * 9})
    asked = ["pull", NAME, "--repo", "me/mine", "--revision", "main"]
    done = sat_zoo(*asked, "--to", str(tmp_path))
    assert done.code == 0
    assert f'"sha256": "{hashlib.sha256(WEIGHTS).hexdigest()}"' in done.out
    assert f'"revision": "{commit}"' in done.out
    assert (tmp_path / f"{NAME}.safetensors").read_bytes() == WEIGHTS
    assert pin_of(NAME) is None
    done = sat_zoo(*asked, "--pin")
    assert "pinned in" in done.out
    pin = pin_of(NAME)
    assert pin is not None
    assert (pin.repo, pin.revision) == ("me/mine", commit)
    done = sat_zoo(*asked, "--file", "b.safetensors")
    assert done.code == 1
    assert "b.safetensors is not a safetensors file" in done.err


def test_show_says_where_the_weights_are(sat_zoo: Run, hub: HubServer) -> None:
    assert "bundled: " in sat_zoo("show", DIGITS).out
    assert "are not published yet: train it" in sat_zoo("show", ABSENT).out
    said = sat_zoo("show", NAME).out
    assert "about 102.2 MB, official release, Res50-silu" in " ".join(said.split())
    pin = publish(hub, NAME, WEIGHTS)
    said = sat_zoo("show", NAME).out
    assert f"on the hub, not fetched yet: 300.1 kB in org/{NAME} at {pin.revision[:12]}" in said
    assert hub.requests == []
    sat_zoo("pull", NAME)
    assert "hub cache: " in sat_zoo("show", NAME).out


def test_no_word_of_a_failure_holds_the_token(
    sat_zoo: Run, hub: HubServer, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = sat_zoo("--debug", "pull", NAME)
    assert done.code == 3
    assert "does not accept the token (401): log in with" in done.err
    hub.tokens[TOKEN] = "read"
    hub.break_next(Fault(times=FOREVER, status=500))
    done_later = sat_zoo("--debug", "pull", NAME)
    assert "answers 500: try again later; what came is kept" in done_later.err
    assert any("authorization" in request.headers for request in hub.requests)
    assert TOKEN not in done.out + done.err + done_later.out + done_later.err


@pytest.fixture
def published(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Takes the small model out of the package and publishes it; gives its logits from before."""
    logits = zoo.load(DIGITS)(torch.zeros(1, 1, 8, 8))
    info = zoo.card(DIGITS)
    publish(hub, DIGITS, find_weights(info).path.read_bytes())
    stripped = info.model_copy(update={"bundled": None})
    monkeypatch.setitem(registry._cards(), DIGITS, stripped)
    return logits


def test_a_model_loads_from_its_pin_and_then_without_a_network(
    hub: HubServer, published: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zoo.load(DIGITS)
    assert model.source == "hub"
    assert torch.equal(model(torch.zeros(1, 1, 8, 8)), published)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(zoo.load(DIGITS)(torch.zeros(1, 1, 8, 8)), published)
    assert hub.requests == []


def test_the_file_that_the_caller_names_wins(hub: HubServer, pin: Pin, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(WEIGHTS)
    found = find_weights(zoo.card(NAME), path)
    assert (found.path, found.source) == (path, "file")
    assert hub.requests == []


def test_the_pins_of_a_killed_writer_are_whole(tmp_path: Path) -> None:
    pin = Pin(repo="a/b", revision="0" * 40, sha256="0" * 64, size=1)
    path = write_pin(NAME, pin)
    assert json.loads(path.read_text()) == {NAME: pin.model_dump()}
    assert [p.name for p in path.parent.iterdir()] == ["pins.json"]
