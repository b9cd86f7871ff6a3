"""The evidence of a model is shown to its weights by its name: every bound, and every fault."""

from pathlib import Path

import pytest

from eval.data.locate import DataMissing
from tests.zoo.cli.travelling import (
    BUNDLED,
    CIFAR,
    DIGITS,
    OTHER,
    STEM,
    Run,
    another,
    bundled,
    home,
    part,
    pushed,
)
from zoo.publish.reports import committed
from zoo.registry import FAMILIES

__all__ = ["bundled", "home", "pushed"]  # fixtures


def test_the_bundled_evidence_confirms_every_published_bound(sat_zoo: Run) -> None:
    for name in (DIGITS, OTHER):
        done = sat_zoo("verify", name)
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert len(lines) == len(list(BUNDLED.glob(f"{name}.*"))) >= 2
        for line in lines:
            assert "as its Report says" in line
            assert "not confirmed" not in line
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 300_000


def test_a_sentence_says_bound_attack_passes_and_seconds(sat_zoo: Run, bundled: Path) -> None:
    for path in bundled.iterdir():
        if path.stem != STEM:
            path.unlink()
    out = sat_zoo("verify", DIGITS).out
    assert out.startswith(
        f"{STEM}.safetensors: at most 288 of 360 images of digits (test) are robust, 80.0 %, as its"
        " Report says: pgd-50 broke 69, and each of these lies inside Linf 3/16 and [0, 1] and"
        " fools these weights, 66 of them in 8 bits too; 3 are wrong without an attack, and 357 are"
        " not; 498 forward passes in "
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["push", "--all", "--namespace", "o", "--evidence", "x"], "--evidence x is of one model"),
        (["push", DIGITS, "--namespace", "o", "--evidence", "no"], "--evidence no is not a file"),
        (["push", DIGITS, "--namespace", "o", "--data-dir", "x"], "--data-dir x is for --evidence"),
        (["pull", "--check", "--evidence"], "leave out --evidence"),
        (["verify", DIGITS, "--report", "x"], "--report x is for a file of adversarial images"),
        (["verify", "resnet8-nobody"], "is not a file: name a report or a file of adversarial"),
    ],
)
def test_a_wrong_use_is_one_sentence(sat_zoo: Run, args: list[str], message: str) -> None:
    done = sat_zoo(*args)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_model_without_evidence_says_so(sat_zoo: Run) -> None:
    done = sat_zoo("verify", CIFAR)
    assert done.code == 1
    assert f"{CIFAR} has no evidence here, and none is pinned" in done.err
    done = sat_zoo("pull", CIFAR, "--evidence")
    assert done.code == 1
    assert f"no evidence of {CIFAR} is published" in done.err


def test_other_weights_than_the_evidence_is_of_are_refused(sat_zoo: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(FAMILIES / "digits" / f"{DIGITS}.safetensors")
    next(tensor for tensor in tensors.values() if tensor.is_floating_point()).add_(1e-3)
    save_file(tensors, tmp_path / "w.safetensors")
    done = sat_zoo("verify", DIGITS, "--weights", tmp_path / "w.safetensors")
    assert done.code == 1
    assert "these weights have the digest" in done.err
    assert "files of evidence do not hold" in done.err


def test_a_report_that_was_changed_beside_its_evidence_is_named_with_the_field(
    sat_zoo: Run, bundled: Path
) -> None:
    folder = committed()
    assert folder is not None
    for change, field in (
        (lambda report: report.model_copy(update={"seconds": 9.5}), "seconds 9.5"),
        (lambda report: report.model_copy(update={"command": "x"}), "command 'x'"),
        (part("engine", torch="9.9"), "engine.torch '9.9'"),
    ):
        another(BUNDLED / f"{STEM}.safetensors", change, bundled / f"{STEM}.safetensors")
        done = sat_zoo("verify", DIGITS)
        assert done.code == 1
        assert f"it is not evidence of {STEM}.json: its own report says {field}" in done.err
        assert "at most 276 of 360" in done.out  # the others are looked at all the same


def test_without_the_data_it_says_what_it_could_not_confirm(
    sat_zoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise DataMissing("not here")

    monkeypatch.setattr("zoo.publish.evidence.data_of", missing)
    done = sat_zoo("verify", DIGITS)
    assert done.code == 0
    assert "at most 291 of 360 images of digits (test) are robust, 80.8 %, its Report says 28" in (
        done.out
    )
    assert "not confirmed: whether the images lie in the ball, since no clean" in done.out
    assert "the clean accuracy, and so the 3 images that are wrong without an attack" in done.out


def test_evidence_without_its_report_proves_nothing(sat_zoo: Run, bundled: Path) -> None:
    (bundled / f"{STEM}.safetensors").rename(bundled / f"{DIGITS}.mine.safetensors")
    done = sat_zoo("verify", DIGITS)
    assert done.code == 1
    assert f"no Report {DIGITS}.mine.json is here" in done.err
