"""What the tests of travelling evidence share: a Hub, the bundled evidence, and falsified ones."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from eval.adversarial import AdversarialImages, Origin
from eval.evidence.file import Evidence, read_evidence
from eval.report.report import Report
from tests.hubserver import HubServer
from zoo.hub.pins import Pin, pin_of
from zoo.registry import FAMILIES

DIGITS, OTHER = "resnet8-silu-sat-digits", "resnet8-relu-at-digits"
CIFAR = "resnet18-w16-silu-sat-cifar10"
STEM = f"{DIGITS}.pgd-50"
BUNDLED = FAMILIES / "digits" / "evidence"
TOKEN = "hf_aVerySecretToken"
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> Path:
    """The Hub on loopback, and an empty cache, home and folder of bundled evidence."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.tokens[TOKEN] = "write"
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("zoo.hub.transfer.sleep", lambda _: None)
    return tmp_path / "home"


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's evidence that may be spoiled."""
    families = tmp_path / "families"
    shutil.copytree(BUNDLED, families / "digits" / "evidence")
    monkeypatch.setattr("zoo.evidence.places.FAMILIES", families)
    return families / "digits" / "evidence"


@pytest.fixture
def pushed(sat_zoo: Run) -> Pin:
    done = sat_zoo(
        "push", DIGITS, "--namespace", "org", "--evidence", BUNDLED / f"{STEM}.safetensors"
    )
    assert done.code == 0, done.err
    pin = pin_of(DIGITS)
    assert pin is not None
    return pin


def another(path: Path, change: Callable[[Report], Report], to: Path) -> Path:
    """The evidence of a Report that somebody changed, all its digests right."""
    found = read_evidence(path).images
    report = change(found.report)
    origin = Origin.of(report, found.origin.ids, found.origin.pixels_sha256)
    Evidence(AdversarialImages(found.x_adv, origin, report), None).write(to)
    return to


def part(where: str, **values: object) -> Callable[[Report], Report]:
    return lambda report: report.model_copy(
        update={where: getattr(report, where).model_copy(update=values)}
    )
