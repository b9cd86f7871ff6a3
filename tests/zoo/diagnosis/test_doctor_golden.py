"""`sat-zoo doctor NAME` and `zoo.diagnose` of a name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import zoo
from eval.errors import SatZooError, UsageError, WeightsMismatch
from zoo import registry
from zoo.cli.doctor import command
from zoo.golden.file import read_golden
from zoo.model import ZooModel
from zoo.weights.beside import golden_beside
from zoo.weights.store import Store

DIGITS = "resnet8-silu-sat-digits"
Stored = Callable[[str], ZooModel]


def test_a_model_that_is_as_it_was_made_is_said_to_be() -> None:
    done = CliRunner().invoke(command, [DIGITS])
    assert done.exit_code == 0, done.output
    assert done.output.count("as where the weights were made") == 2
    assert "recorded with torch" in done.output


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("mean", (0.485, 0.456, 0.406), "mean/std"),
        ("crop", None, "crop"),
        ("kernel", "bicubic", "resize kernel"),
    ],
)
def test_a_card_that_is_not_that_of_the_weights_is_named(
    field: str, value: object, code: str, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored("small-timm")
    cards = dict(registry._cards())
    spec = cards["small-timm"].input
    changes = {
        "mean": {"mean": value, "std": (0.229, 0.224, 0.225)},
        "crop": {"crop_pct": 1.0},
        "kernel": {"interpolation": value},
    }[field]
    other = spec.model_copy(update=changes)
    cards["small-timm"] = cards["small-timm"].model_copy(update={"input": other})
    monkeypatch.setattr(registry, "_cards", lambda: cards)
    done = CliRunner().invoke(command, ["small-timm"])
    assert isinstance(done.exception, SatZooError)
    said = str(done.exception)
    assert "does not answer here as where its weights were made" in said
    assert f"{code}: " in said
    assert "card: the card's input is not the recorded one" in said


def test_as_json_it_says_the_same(stored: Stored) -> None:
    stored("small-tf")
    path = golden_beside(Store().root / "small-tf" / "model.safetensors")
    golden = read_golden(path)
    assert golden is not None
    golden.raw[:] = np.roll(golden.raw, 1, 1)
    path.write_bytes(golden.to_bytes())
    done = CliRunner().invoke(command, ["small-tf", "--json"])
    assert isinstance(done.exception, SatZooError)
    found = json.loads(done.stdout)
    assert found["schema"] == "sat-zoo/golden-check@1"
    assert [one["code"] for one in found["causes"]] == ["label offset"]
    with pytest.raises(WeightsMismatch, match="find out why with: sat-zoo doctor small-tf"):
        zoo.load("small-tf")


def test_other_pixels_are_said_although_the_logits_agree(stored: Stored) -> None:
    stored("small-tf")
    path = golden_beside(Store().root / "small-tf" / "model.safetensors")
    golden = read_golden(path)
    assert golden is not None
    first, *rest = golden.about.pictures
    first = first.model_copy(update={"pixels_sha256": "0" * 64})
    about = golden.about.model_copy(update={"pictures": (first, *rest)})
    path.write_bytes(replace(golden, about=about).to_bytes())
    findings = zoo.diagnose("small-tf")
    assert findings.agrees
    (note,) = findings.not_compared
    assert note == "pixels: preprocessing made others here of photo/0-landscape.jpg"


def test_missing_golden_logits_are_said_and_no_fault(stored: Stored) -> None:
    right = stored("small-opencv")
    golden_beside(Store().root / "small-opencv" / "model.safetensors").unlink()
    done = CliRunner().invoke(command, ["small-opencv"])
    assert done.exit_code == 0
    assert "no golden logits lie at" in done.output
    own = zoo.diagnose(lambda x: right(x.flip(1)), of="small-opencv")
    assert [cause.code for cause in own.causes] == ["channel order"]
    assert "compared with what small-opencv answers here" in own.not_compared[0]


def test_a_decoder_that_only_changes_jpegs_is_suspected(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = stored("small-tf")
    golden = read_golden(golden_beside(Store().root / "small-tf" / "model.safetensors"))
    assert golden is not None

    def decoded(picture: object) -> torch.Tensor:
        from zoo.preprocess import for_card

        x = torch.from_numpy(for_card(right.card)(picture)).permute(2, 0, 1)  # type: ignore[arg-type]
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) / 50
        return x + noise if picture.format == "JPEG" else x  # type: ignore[attr-defined]

    findings = zoo.diagnose(right, preprocess=decoded)
    assert [cause.code for cause in findings.causes] == ["jpeg decoder"]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda x: x, {}, "nobody says which model"),
        (DIGITS, {"of": DIGITS}, "is for a model of your own"),
        ("resnet8-slu-sat-digits", {}, "did you mean"),
    ],
)
def test_what_cannot_be_diagnosed_is_said_in_one_sentence(
    model: object, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        zoo.diagnose(model, **options)  # type: ignore[arg-type]


def test_a_model_or_pipeline_that_fails_is_noted(stored: Stored) -> None:
    right = stored("small-opencv")
    broken = zoo.diagnose(lambda x: x.no_such, of="small-opencv")
    assert all("fails on images of shape" in note for note in broken.not_compared)
    dead = zoo.diagnose(right, preprocess=lambda picture: picture.no_such)
    assert "preprocess fails on the picture photo/0-landscape.jpg" in dead.not_compared[0]


def test_a_model_comes_back_as_it_was(stored: Stored) -> None:
    model = stored("small-opencv").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    zoo.diagnose(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_options_of_the_readings_do_not_go_with_a_weight_file(tmp_path: Path) -> None:
    for words, said in (
        (["--weights", "x", "--n", "3", DIGITS], "--weights x is for golden logits"),
        (["--weights", "x"], "--weights is for the NAME of a model"),
    ):
        done = CliRunner().invoke(command, words)
        assert said in str(done.exception)
