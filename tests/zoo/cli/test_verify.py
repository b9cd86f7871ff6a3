import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.adversarial import AdversarialImages, Origin
from eval.report.digest import what_images_follow_from

DIGITS = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


@pytest.fixture
def files(sat_zoo: Run, tmp_path: Path) -> tuple[Path, Path]:
    report, images = tmp_path / "r.json", tmp_path / "a.safetensors"
    options = ("--n", "40", "--precision", "fp32", "--eps", "1/4")
    outputs = ("--out", str(report), "--save-adversarial", str(images))
    done = sat_zoo("eval", DIGITS, "--attack", "pgd-5", *options, *outputs)
    assert done.code == 0, done.err
    return report, images


def test_a_report_and_its_images_hold(sat_zoo: Run, files: tuple[Path, Path]) -> None:
    path, images = files
    report = Report.read(path)
    assert sat_zoo("verify", str(path)).out == (
        f"{path}: every total follows from the verdicts: {DIGITS}, pgd-5, clean"
        f" {report.clean.correct} and robust {report.robust.correct} of 40 images, their accuracies"
        " and intervals, 1 stage, the digest of the ids; digest"
        f" {what_images_follow_from(report)}\n"
    )
    done = sat_zoo("verify", str(images))
    n = report.survive_8bit
    assert n.n > 3
    assert done.out == (
        f"{images}: all {n.n} adversarial images, of {n.n} that its report calls broken, fool"
        f" {DIGITS} inside Linf 1/4; {n.broken_after_rounding} still do when stored in 8 bits;"
        f" digest {what_images_follow_from(report)}\n"
    )


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("robust", "correct", 1, "robust.correct is 1.* but the images say"),
        ("data", "ids_sha256", "0123" * 16, "data.ids_sha256 is 0123.*, but the rest of it says"),
        ("survive_8bit", "n", 0, "survive_8bit.n is 0.* says"),
        ("threat", "eps", 0.1, "threat.eps is 0.1, but the rest of it says 0.25"),
    ],
)
def test_a_changed_report_is_refused(
    sat_zoo: Run,
    files: tuple[Path, Path],
    part: str,
    name: str,
    value: object,
    message: str,
) -> None:
    path, _ = files
    report = json.loads(path.read_text())
    report[part][name] = value
    path.write_text(json.dumps(report))
    done = sat_zoo("verify", str(path))
    assert done.code == 1
    assert re.search(message, done.err)


def test_changed_images_are_refused(sat_zoo: Run, files: tuple[Path, Path]) -> None:
    _, path = files
    found = AdversarialImages.read(path)
    found.x_adv[1] += 0.5
    found.write(path)
    done = sat_zoo("verify", str(path))
    assert done.code == 1
    assert done.err == (
        f"sat-zoo: {path}: 1 of {len(found.x_adv)} images are not adversarial, the first is that of"
        f" {found.origin.ids[1]!r}: it is outside the Linf ball of 1/4 or of [0, 1]\n"
    )


def test_images_of_other_weights_are_refused(sat_zoo: Run, files: tuple[Path, Path]) -> None:
    _, path = files
    found = AdversarialImages.read(path)
    model = found.report.model.model_copy(update={"weights_sha256": "0123" * 16})
    report = found.report.model_copy(update={"model": model})
    origin = Origin.of(report, found.origin.ids, found.origin.pixels_sha256)
    replace(found, origin=origin, report=report).write(path)
    done = sat_zoo("verify", str(path))
    assert done.code == 1
    assert "the adversarial images are of 012301230123: name the right file with --wei" in done.err


def test_what_is_no_file_is_a_mistake_of_the_user(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo("verify", str(tmp_path))
    assert done.code == 2
    assert "is not a file: name a report or a file of adversarial images" in done.err


def fewer(path: Path, n: int) -> None:
    """Leave the first `n` images in the file, in every way that the format allows."""
    found = AdversarialImages.read(path)
    origin = Origin.of(found.report, found.origin.ids[:n], "")
    replace(found, x_adv=found.x_adv[:n].clone(), origin=origin).write(path)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_fewer_images_than_the_report_calls_broken_are_refused(
    sat_zoo: Run, files: tuple[Path, Path], n: int
) -> None:
    _, path = files
    n_broken = AdversarialImages.read(path).n_broken
    fewer(path, n)
    done = sat_zoo("verify", path)
    assert done.code == 1
    assert done.err == (
        f"sat-zoo: {path} holds {n} of the {n_broken} images that its report calls broken: write it"
        " again with sat-zoo eval --save-adversarial\n"
    )


def test_images_can_be_compared_with_the_report_that_was_published(
    sat_zoo: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    path, images = files
    assert sat_zoo("verify", images, "--report", path).code == 0
    other = tmp_path / "other.json"
    report = Report.read(path)
    report.model_copy(update={"seed": 1}).write(other)
    done = sat_zoo("verify", images, "--report", other)
    assert done.code == 1
    assert "these are not the images of that report" in done.err
    assert sat_zoo("verify", path, "--report", other).code == 2


def test_fewer_survivors_of_rounding_than_the_report_says_are_refused(
    sat_zoo: Run, files: tuple[Path, Path]
) -> None:
    _, path = files
    found = AdversarialImages.read(path)
    n = found.report.survive_8bit.broken_after_rounding
    survived = found.report.survive_8bit.model_copy(update={"broken_after_rounding": n - 1})
    report = found.report.model_copy(update={"survive_8bit": survived})
    origin = Origin.of(report, found.origin.ids, found.origin.pixels_sha256)
    replace(found, origin=origin, report=report).write(path)
    done = sat_zoo("verify", path)
    assert done.code == 1
    assert f"{n} images still fool the model when stored in 8 bits, but its report says" in done.err


def test_weaker_stages_under_a_known_name_do_not_verify(
    sat_zoo: Run, files: tuple[Path, Path]
) -> None:
    path, _ = files
    report = json.loads(path.read_text())
    report["protocol"]["stages"][0]["steps"] = 1
    path.write_text(json.dumps(report))
    assert "other hyper-parameters were run" in sat_zoo("verify", path).err
    report["protocol"].pop("fingerprint")  # as a Report from before them
    path.write_text(json.dumps(report))
    assert "its stages are not those of protocol 'pgd-5'" in sat_zoo("verify", path).err
    report["protocol"]["name"] = "my-attack"
    path.write_text(json.dumps(report))
    done = sat_zoo("verify", path)
    assert (done.code, done.out) == (1, "")
    assert "its protocol is unknown: " in done.err
