"""`sat-zoo eval` of models that are not of the zoo."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

import zoo
from eval import Report
from tests.hubserver import HubServer
from zoo.registry import FAMILIES

NAME = "resnet8-silu-sat-digits"
FILE = FAMILIES / "digits" / f"{NAME}.safetensors"
Run = Callable[..., Any]
ATTACK = ["--attack", "pgd-5", "--n", "32", "--norm", "Linf", "--eps", "3/16", "--json"]

MODULE = """
import torch
from torch import nn
import zoo

class Ours(nn.Module):
    def __init__(self, name, shift):
        super().__init__()
        self.net = zoo.load(name).net
        self.shift = shift

    def forward(self, x):
        return self.net(2 * x - 1) + self.shift * torch.eye(10)[0]

def build(name="resnet8-silu-sat-digits", shift=0.0):
    return Ours(name, shift).train()

def fails():
    raise ValueError("no such file")

def words():
    return "a model"

class Pair(nn.Module):
    def forward(self, x):
        return x, x

def rgb_only():
    return nn.Conv2d(3, 10, 8)

def features():
    return nn.Conv2d(1, 10, 3)
"""


@pytest.fixture
def homemade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a module of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "homemade", raising=False)
    (tmp_path / "homemade.py").write_text(MODULE)
    return tmp_path


def said_of_file(**changes: str) -> list[str]:
    card = zoo.card(NAME)
    said = {
        "arch": card.arch, "activation": "silu", "n-classes": "10", "size": "8",
        "mean": "0.5", "std": "0.5", "data": "digits", **changes,
    }  # fmt: skip
    options = [word for key, value in said.items() for word in (f"--{key}", value)]
    args = [w for key, value in card.arch_args.items() for w in ("--arch-option", f"{key}={value}")]
    return [*options, *args]


def verdicts(done: Any) -> tuple[str, ...]:
    return Report.model_validate_json(done.out).images.verdicts


def test_a_file_is_measured_like_the_model_that_it_is_of(sat_zoo: Run) -> None:
    done = sat_zoo("eval", str(FILE), *said_of_file(), *ATTACK)
    report = Report.model_validate_json(done.out)
    assert (done.code, report.model.source, report.model.name) == (0, "file", FILE.name)
    assert report.images.verdicts == verdicts(sat_zoo("eval", NAME, *ATTACK))


def test_a_factory_is_measured_and_named_by_itself_or_by_the_user(
    sat_zoo: Run, homemade: Path
) -> None:
    words = ["--factory", "homemade:build", "--data", "digits", *ATTACK]
    done = sat_zoo("eval", *words)
    report = Report.model_validate_json(done.out)
    assert (done.code, report.model.source, report.model.name) == (0, "factory", "homemade:build")
    assert report.images.verdicts == verdicts(sat_zoo("eval", NAME, *ATTACK))
    named = Report.model_validate_json(sat_zoo("eval", "mine", *words).out)
    assert named.model.name == "mine"
    assert named.model.weights_sha256 == report.model.weights_sha256


def test_the_same_weights_in_another_network_do_not_find_old_verdicts(
    sat_zoo: Run, homemade: Path
) -> None:
    words = ["--factory", "homemade:build", "--data", "digits", *ATTACK]
    first = sat_zoo("eval", *words)
    assert "verdicts known from" in sat_zoo("eval", *words).err
    other = sat_zoo("eval", *words, "--factory-option", "shift=100")
    assert "verdicts known from" not in other.err
    one, two = (Report.model_validate_json(done.out) for done in (first, other))
    assert one.model.weights_sha256 == two.model.weights_sha256
    assert two.clean.accuracy < one.clean.accuracy
    bare = homemade / "bare.safetensors"  # without golden logits, which would tell them apart
    bare.write_bytes(FILE.read_bytes())
    silu, relu = (
        sat_zoo("eval", str(bare), *said_of_file(activation=name), *ATTACK)
        for name in ("silu", "relu")
    )
    assert "verdicts known from" not in relu.err
    assert verdicts(silu) != verdicts(relu)


def test_a_plan_knows_factories_too(sat_zoo: Run, homemade: Path) -> None:
    words = ["--factory", "homemade:build", "--data", "digits", "--eps", "3/16", "--norm", "Linf"]
    done = sat_zoo("eval", *words, "--attack", "fgsm", "--n", "8", "--batch-size", "8", "--plan")
    assert done.code == 0
    assert "homemade:build on 8 images of digits" in done.out


FACTORY = ["--factory", "homemade:build"]
BALL = ["--norm", "Linf", "--eps", "3/16"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "no model is named: give a NAME of sat-zoo list, hf-hub:ORG/NAME, robust"),
        ([*FACTORY, *BALL], 2, "--factory has no data set of its own: say which one with --data"),
        ([*FACTORY, "--data", "digits"], 2, "has no threat model of its own: give --norm Linf"),
        ([*FACTORY, "--data", "imagenet"], 2, "state --size 224 --interpolation bicubic"),
        ([*FACTORY, "--data", ".", "--size", "8", "--crop-pct", "1"], 2, "belong together"),
        ([*FACTORY, "--mean", "0.5"], 2, "--mean (0.5,): a --factory makes the whole model"),
        ([*FACTORY, "--weights", "w"], 2, "--weights w: a --factory loads its own weights"),
        ([*FACTORY, "--data", "digits", "--channels", "2"], 2, "--channels 2 is not possible"),
        ([*FACTORY, "--factory-option", "a", "--data", "digits"], 2, "'a' is not KEY=VALUE"),
        ([NAME, "--factory-option", "a=1"], 2, "--factory-option without --factory"),
        ([NAME, "--channels", "1"], 2, "--channels 1 is for --factory"),
        ([NAME, "--arch", "resnet50"], 2, "is a model of the zoo, and its card says this"),
        (["timm/resnet18"], 2, "write hf-hub:ORG/NAME"),
        (["x.pth"], 2, "x.pth is no safetensors file"),
        ([str(FILE)], 2, "nobody says its arch, n_classes, size, mean, std: state"),
        ([str(FILE), *said_of_file()[:-2], "--mean", "a,b"], 2, "--mean 'a,b' is no list of numb"),
        ([str(FILE), *said_of_file(size="9"), *BALL], 2, "have shape (1, 8, 8) and resnet8-silu"),
        (["--factory", "homemade:fails", "--data", "digits", *BALL], 1, "ValueError: no such file"),
        (["--factory", "homemade:words", "--data", "digits", *BALL], 2, "made a str, no torch.nn"),
        (["--factory", "homemade:Pair", "--data", "digits", *BALL], 1, "returned a tuple of 2"),
        (["--factory", "homemade:rgb_only", "--data", "digits", *BALL], 1, "fails on an image of"),
        (["--factory", "homemade:features", "--data", "digits", *BALL], 1, "returned shape (1, 10"),
        (["--factory", "home:build", "--data", "digits", *BALL], 2, "there is no module home: "),
    ],
)  # fmt: skip
def test_a_users_mistake_is_one_sentence_and_an_exit_code(
    sat_zoo: Run, homemade: Path, args: list[str], code: int, message: str
) -> None:
    done = sat_zoo("eval", *args)
    assert message in done.err
    assert done.code == code
    assert done.err.startswith("sat-zoo: ")
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_debug_shows_where_a_factory_failed(sat_zoo: Run, homemade: Path) -> None:
    words = ["--factory", "homemade:fails", "--data", "digits", *BALL]
    assert "in fails" in sat_zoo("--debug", "eval", *words).err


def test_a_hub_model_is_reported_with_the_commit_that_was_measured(
    sat_zoo: Run, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    config = {"sat_zoo": {"card": zoo.card(NAME).model_dump(mode="json")}}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": FILE.read_bytes()}
    commit = hub.add("org/net", files)
    done = sat_zoo("eval", "hf-hub:org/net", *ATTACK)
    report = Report.model_validate_json(done.out)
    assert (report.model.source, report.model.name) == ("hub", f"hf-hub:org/net@{commit}")
    assert report.images.verdicts == verdicts(sat_zoo("eval", NAME, *ATTACK))
