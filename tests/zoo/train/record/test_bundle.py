import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from eval.errors import SatZooError, UsageError
from eval.files.writing import sha256_of
from eval.report.report import Report
from eval.run import Progress
from leaderboard.results import RESULTS
from tests.leaderboard.early import ended_early
from zoo import card
from zoo.registry import FAMILIES
from zoo.train.record.bundle import ATTACKS, bundle, measuring_command, with_bundle

SHA = "ab" * 32
NAME = "resnet8-silu-sat-digits"


def parsed(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.load(text, yaml.CSafeLoader)["cards"]
    return found


@pytest.mark.parametrize("family", ["cifar10", "digits", "resnet", "efficientnet"])
def test_bundling_changes_one_card_and_no_comment(family: str) -> None:
    text = (FAMILIES / family / "cards.yaml").read_text("utf-8")
    cards = parsed(text)
    names = [entry["name"] for entry in cards]
    for name in (names[0], names[len(names) // 2], names[-1]):
        changed = with_bundle(text, name, f"{name}.safetensors", SHA)
        for before, after in zip(cards, parsed(changed), strict=True):
            if before["name"] == name:
                assert after == before | {"bundled": {"file": f"{name}.safetensors", "sha256": SHA}}
            else:
                assert after == before
        comments = [line for line in text.splitlines() if "#" in line]
        assert [line for line in changed.splitlines() if "#" in line] == comments
        assert with_bundle(changed, name, f"{name}.safetensors", SHA) == changed


def test_a_card_whose_fields_others_share_is_not_changed_behind_their_back() -> None:
    text = """
cards:
  - &first
    name: one
    width: 3
  - <<: *first
    name: two
"""
    with pytest.raises(SatZooError, match="bundling 'one' would change other cards that share"):
        with_bundle(text, "one", "one.safetensors", SHA)
    assert "sha256" in with_bundle(text, "two", "two.safetensors", SHA)
    with pytest.raises(SatZooError, match="no card 'three'"):
        with_bundle(text, "three", "three.safetensors", SHA)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of the digits model: the bundled weights as if just trained."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(FAMILIES / "digits" / f"{NAME}.safetensors", folder / "model.safetensors")
    sha256 = sha256_of(folder / "model.safetensors")
    about = {"model": NAME, "is_complete": True, "weights_sha256": sha256}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    return folder


@pytest.fixture
def families(tmp_path: Path) -> Path:
    """A copy of the source tree's part that bundling writes to."""
    families = tmp_path / "source" / "zoo" / "families"
    (families / "digits").mkdir(parents=True)
    (tmp_path / "source" / "leaderboard" / "results").mkdir(parents=True)
    shutil.copy(FAMILIES / "digits" / "cards.yaml", families / "digits")
    return families


def test_a_finished_run_becomes_weights_card_and_reports(run: Path, families: Path) -> None:
    told: list[str] = []
    seen: list[Progress] = []
    bundle(
        card(NAME),
        run,
        data=None,
        data_dir=None,
        device="cpu",
        say=told.append,
        on_progress=seen.append,
        families=families,
    )
    assert {it.stage for it in seen} == set(ATTACKS)
    assert seen[-1].done == seen[-1].total
    cards = yaml.safe_load((families / "digits" / "cards.yaml").read_text())["cards"]
    assert cards[0]["bundled"]["sha256"] == sha256_of(run / "model.safetensors")
    weights = (families / "digits" / f"{NAME}.safetensors").read_bytes()
    assert weights == (run / "model.safetensors").read_bytes()
    log = families / "digits" / f"{NAME}.metrics.jsonl"
    assert log.read_bytes() == (run / "metrics.jsonl").read_bytes()
    for attack in ATTACKS:
        path = families.parents[1] / "leaderboard" / "results" / f"{NAME}.{attack}.json"
        report = Report.read(path)
        assert report.model.name == NAME
        assert report.model.file_sha256 == cards[0]["bundled"]["sha256"]
        assert report.command == f"sat-zoo eval {NAME} --attack {attack}"
    assert "commit it with its log and cards.yaml" in told[-1]


def test_the_command_of_a_report_names_data_that_are_not_the_models_own() -> None:
    name = "resnet18-w16-silu-sat-cifar10"
    found = measuring_command(card(name), "cifar10-jpeg", "clean")
    assert found == f"sat-zoo eval {name} --data cifar10-jpeg --attack clean"


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "holds no finished run: train it to the end"),
        ({"model": "other", "is_complete": True}, "holds a run of other, not of resnet8"),
        ({"model": NAME, "is_complete": False}, "ended early by `limit_steps`"),
    ],
)
def test_only_a_finished_run_of_the_model_is_bundled(
    run: Path, families: Path, about: dict[str, object] | None, message: str
) -> None:
    (run / "run.json").write_text("" if about is None else json.dumps(about))
    with pytest.raises(UsageError, match=message):
        bundle(
            card(NAME), run, data=None, data_dir=None, device="cpu", say=print, families=families
        )


def test_nothing_is_bundled_with_an_estimate(
    run: Path, families: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Report.read(RESULTS / f"{NAME}.autoattack.json")
    cut = ended_early(whole, 100, after="apgd-ce")
    monkeypatch.setattr("zoo.train.record.bundle.evaluate", lambda *_, **__: cut)
    before = (families / "digits" / "cards.yaml").read_bytes()
    told: list[str] = []
    with pytest.raises(SatZooError, match=r"185 images open, so that .* is an estimate and"):
        bundle(
            card(NAME),
            run,
            data=None,
            data_dir=None,
            device="cpu",
            say=told.append,
            families=families,
        )
    assert (families / "digits" / "cards.yaml").read_bytes() == before
    assert not [*(families.parents[1] / "leaderboard" / "results").iterdir()]
    assert not any("%" in line for line in told)
