"""Every command of README.md runs: as it stands, or made shorter by options behind it.

Where a command needs what no test machine has (the pictures of ImageNet), it is run as far as it
gets, which is the sentence that says what is missing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import timm
from huggingface_hub import constants
from safetensors.torch import save

import zoo
from tests.driveserver import DriveServer
from tests.hubserver import HubServer
from tests.tfcheckpoint import small_card, variables_of, write
from zoo import registry

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DIGITS = "resnet8-silu-sat-digits"
OFFICIAL = "resnet50-silu-sat"

MODULE = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)).eval()
"""


CONFIG = {
    "architecture": "resnet18",
    "num_classes": 1000,
    "pretrained_cfg": {
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "num_classes": 1000,
    },
}


class Tried(NamedTuple):
    """more: options behind the command that make it short. before: what a user did before it."""

    says: str
    more: str = ""
    before: str = ""
    code: int = 0


TRIED = {
    f"sat-zoo eval {DIGITS} --attack autoattack": Tried(
        r"robust accuracy +\d+\.\d %.*of 8, 95 % interval", "--n 8 --attack fgsm"
    ),
    "sat-zoo list --available": Tried(DIGITS),
    f"sat-zoo eval {DIGITS} --plan": Tried("autoattack-standard@1", "--n 8 --batch-size 8"),
    "sat-zoo eval --factory mymodels.nets:build --data cifar10 --norm Linf --eps 8/255": Tried(
        "mymodels.nets:build on 4 images of cifar10",
        "--attack fgsm --n 4 --data-dir ~/data/cifar10",
    ),
    "sat-zoo eval ./my.safetensors --arch resnet50 --n-classes 10 --size 32 --mean 0.5,0.5,0.5"
    " --std 0.5,0.5,0.5 --data cifar10 --norm Linf --eps 8/255": Tried(
        "my.safetensors on 2 images of cifar10",
        "--attack clean --n 2 --data-dir ~/data/cifar10",
        before="weights",
    ),
    "sat-zoo eval hf-hub:timm/resnet18.a1_in1k --data imagenet --norm Linf --eps 4/255"
    " --n 1000": Tried(r"imagenet \(val\) was not found", before="hub", code=1),
    "sat-zoo eval resnet18-w16-silu-sat-cifar10 --data-dir ~/data/cifar10 --n 1000 --until 2"
    " --out report.json": Tried("robust accuracy  estimated", "--n 4 --attack fgsm --until 40"),
    "sat-zoo verify report.json": Tried("report.json", before="report"),
    f"sat-zoo curve {DIGITS} --eps 1/16:6/16:1/16 --plot curve.svg": Tried(
        r"6/16|3/8", "--n 4 --attack fgsm"
    ),
    f"sat-zoo compare {DIGITS}.autoattack resnet8-relu-at-digits.autoattack": Tried("McNemar"),
    f"sat-zoo show {OFFICIAL}": Tried("43.0"),
    f"sat-zoo pull {OFFICIAL}": Tried("1 of 1 models are here", before="drive"),
    f"sat-zoo reproduce {OFFICIAL} --data-dir ~/data/imagenet --until 1": Tried(
        "data/imagenet does not exist", code=1
    ),
    f"sat-zoo train {DIGITS}": Tried("weights of epoch 1 written to", "--limit-steps 2"),
    f"sat-zoo push {DIGITS} --namespace ORG --dry-run": Tried("ORG/"),
    "sat-zoo leaderboard show imagenet": Tried(
        "imagenet, Linf eps 4/255, 5,000 images, RobustBench's fixed list"
    ),
    "sat-zoo leaderboard add report.json": Tried(DIGITS, before="report"),
    "sat-zoo leaderboard export --data cifar10 --format tex": Tried(
        r"\\texttt\{resnet18-w16-silu-sat-cifar10\}"
    ),
    "sat-zoo leaderboard build --out leaderboard-site": Tried("leaderboard-site"),
    "sat-zoo doctor": Tried("the default job can run"),
}


def _commands() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            yield from (one.strip() for one in line.partition("#")[0].split(" && "))


def test_every_command_is_tried_and_nothing_else() -> None:
    ours = [one for one in _commands() if one.startswith("sat-zoo ")]
    assert sorted([*ours, "sat-zoo doctor"]) == sorted(TRIED)
    others = {one for one in _commands() if not one.startswith("sat-zoo ")}
    assert others == {"pip install .", "pip install '.[test]'", "pytest"} | {
        "pip install '.[leaderboard]'"
    }
    assert "`sat-zoo doctor`" in README


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path) -> Iterator[Path]:
    """A user's home, where `~/data` holds CIFAR-10, and the folder where the commands are given."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar10").symlink_to(shared / "data" / "cifar10")
    (tmp_path / "mymodels").mkdir()
    (tmp_path / "mymodels" / "nets.py").write_text(MODULE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAT_ZOO_CONFIG", os.devnull)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mymodels"]:
        del sys.modules[name]


@pytest.fixture
def prepared(
    home: Path, drive: DriveServer, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Does what a user did before a command, or what others have put where it looks."""

    def prepare(what: str) -> None:
        if what == "weights":
            network = timm.create_model("resnet50", num_classes=10)
            (home / "my.safetensors").write_bytes(save(network.state_dict()))
        if what == "report":
            zoo.evaluate(DIGITS, attack="fgsm", n=8, out=home / "report.json")
        if what == "hub":
            monkeypatch.setattr(constants, "ENDPOINT", hub.url)
            template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "cache"))
            weights = save(timm.create_model("resnet18").state_dict())
            files = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": weights}
            hub.add("timm/resnet18.a1_in1k", files)
        if what == "drive":
            info = small_card(OFFICIAL, classes=1000, parameters=77_000)
            monkeypatch.setitem(registry._cards(), OFFICIAL, info)
            prefix = write(home / "x", variables_of(info))
            drive.files["id-of-index"] = Path(f"{prefix}.index").read_bytes()
            data = Path(f"{prefix}.data-00000-of-00001")
            drive.files["id-of-data"] = data.read_bytes()

    return prepare


@pytest.mark.parametrize("command", TRIED)
def test_a_command_does_what_it_is_there_for(
    command: str, sat_zoo: Callable[..., Any], prepared: Callable[[str], None]
) -> None:
    tried = TRIED[command]
    prepared(tried.before)
    words = [
        re.sub("^~", os.environ["HOME"], word) for word in shlex.split(f"{command} {tried.more}")
    ]
    done = sat_zoo(*words[1:])
    assert done.code == tried.code, done.err
    assert re.search(tried.says, done.out + done.err), done.out + done.err
