"""`sat-zoo verify REPORT --weights FILE`, and what a report says of the file that was measured."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import zoo
from eval import Report, evaluate
from eval.definition import weights_sha256
from eval.seen import tensors_sha256
from zoo.registry import FAMILIES

DIGITS = "resnet8-silu-sat-digits"
FILE = FAMILIES / "digits" / f"{DIGITS}.safetensors"
SHA256 = hashlib.sha256(FILE.read_bytes()).hexdigest()
RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"
Run = Callable[..., Any]
CLEAN = ("--attack", "clean", "--n", "8")
FOREIGN = (
    *("--arch", "satzoo_resnet8_digits", "--activation", "silu", "--n-classes", "10"),
    *("--size", "8", "--mean", "0.5", "--std", "0.5", "--data", "digits"),
    *("--norm", "Linf", "--eps", "3/16"),
)


@pytest.fixture
def report(sat_zoo: Run, tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    assert sat_zoo("eval", DIGITS, *CLEAN, "--out", path).code == 0
    return path


def resaved(path: Path, change: Callable[[str, torch.Tensor], torch.Tensor], **said: str) -> Path:
    save_file({n: change(n, v) for n, v in load_file(FILE).items()}, path, {"said": "x", **said})
    return path


def test_a_report_names_the_file_and_the_tensors(report: Path) -> None:
    model = Report.read(report).model
    assert model.file_sha256 == SHA256
    ours = {f"net.{name}": value for name, value in load_file(FILE).items()}
    assert model.weights_sha256 == tensors_sha256(ours) == weights_sha256(zoo.load(DIGITS))


def test_the_very_file_is_recognised(sat_zoo: Run, report: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(FILE.read_bytes())
    done = sat_zoo("verify", report, "--weights", copy)
    assert done.code == 0
    assert f"{copy} is the very file that {report} is of: sha256 {SHA256[:12]}\n" in done.out


def test_other_bytes_with_the_same_tensors_are_said_to_be_so(
    sat_zoo: Run, report: Path, tmp_path: Path
) -> None:
    path = resaved(tmp_path / "again.safetensors", lambda _, v: v)
    done = sat_zoo("verify", report, "--weights", path)
    assert done.code == 0, done.err
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"{path} (sha256 {got[:12]}) has the tensors that {report} is of" in done.out
    assert f"the report is not of this file but of {SHA256[:12]}\n" in done.out


@pytest.mark.parametrize(
    "changed", ["fc.bias", "bn1.running_var", "layer1.0.bn2.num_batches_tracked"]
)
def test_one_other_tensor_fails_and_both_digests_are_named(
    sat_zoo: Run, report: Path, tmp_path: Path, changed: str
) -> None:
    path = resaved(tmp_path / "w.safetensors", lambda n, v: v + 1 if n == changed else v)
    done = sat_zoo("verify", report, "--weights", path)
    assert done.code == 1
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    theirs = weights_sha256(zoo.load(DIGITS, weights=path))
    model = Report.read(report).model
    assert (
        f"is not what {report} is of: the file has sha256 {got[:12]} and its tensors"
        f" weights_sha256 {theirs[:12]}, the report says file sha256 {SHA256[:12]} and"
        f" weights_sha256 {model.weights_sha256[:12]}: name the file that was measured\n"
    ) in done.err
    assert done.err.count("\n") == 1


def test_a_report_of_before_the_field_is_compared_by_its_tensors(sat_zoo: Run) -> None:
    old = RESULTS / f"{DIGITS}.clean.json"
    assert Report.read(old).model.file_sha256 is None
    done = sat_zoo("verify", old, "--weights", FILE)
    assert done.code == 0
    assert "has the tensors" in done.out
    assert "the report names no file" in done.out


def test_the_twin_is_not_the_model(sat_zoo: Run, report: Path) -> None:
    twin = FAMILIES / "digits" / "resnet8-relu-at-digits.safetensors"
    done = sat_zoo("verify", report, "--weights", twin)
    assert done.code == 1
    assert "is not what" in done.err


@pytest.mark.parametrize("change", ["same", "no counters", "half"])
def test_a_foreign_file_is_known_by_its_tensors_too(
    sat_zoo: Run, tmp_path: Path, change: str
) -> None:
    path, report = tmp_path / "mine.safetensors", tmp_path / "r.json"
    tensors = load_file(FILE)
    if change == "no counters":
        tensors = {n: v for n, v in tensors.items() if not n.endswith("num_batches_tracked")}
    elif change == "half":
        tensors = {n: v.half() if v.is_floating_point() else v for n, v in tensors.items()}
    save_file(tensors, path)
    done = sat_zoo("eval", path, *FOREIGN, *CLEAN, "--out", report)
    assert done.code == 0, done.err
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Report.read(report).model.file_sha256 == sha256
    assert "is the very file" in sat_zoo("verify", report, "--weights", path).out
    save_file(tensors, path, {"again": "yes"})
    assert "has the tensors that" in sat_zoo("verify", report, "--weights", path).out


def test_a_file_with_a_prefix_is_measured_and_recognised(sat_zoo: Run, tmp_path: Path) -> None:
    path, report = tmp_path / "mine.safetensors", tmp_path / "r.json"
    tensors = {f"module.{name}": value for name, value in load_file(FILE).items()}
    save_file(tensors, path)
    done = sat_zoo("eval", DIGITS, "--weights", path, *CLEAN)
    assert done.code == 1
    assert '--strip-prefix module. (strip_prefix="module.")' in done.err
    strip = ("--strip-prefix", "module.")
    done = sat_zoo("eval", DIGITS, "--weights", path, *strip, *CLEAN, "--out", report)
    assert done.code == 0, done.err
    same = Report.read(RESULTS / f"{DIGITS}.clean.json").model.weights_sha256
    assert Report.read(report).model.weights_sha256 == same
    save_file(tensors, path, {"again": "yes"})
    done = sat_zoo("verify", report, "--weights", path, *strip)
    assert "has the tensors that" in done.out, done.err


def test_a_model_of_a_factory_has_no_file_and_its_own_names() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    found = evaluate(net, (torch.rand(3, 1, 2, 2), torch.arange(3)), attack="clean")
    assert found.model.file_sha256 is None
    assert found.model.weights_sha256 == tensors_sha256(net.state_dict())


def test_the_tensors_of_a_factorys_report_are_compared_by_their_own_names(
    sat_zoo: Run, tmp_path: Path
) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    found = evaluate(net, (torch.rand(3, 1, 2, 2), torch.arange(3)), attack="clean")
    report, path = tmp_path / "r.json", tmp_path / "w.safetensors"
    found.write(report)
    save_file(net.state_dict(), path)
    assert "has the tensors that" in sat_zoo("verify", report, "--weights", path).out


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--weights", "no.safetensors"], 2, "--weights no.safetensors is not a file"),
        (["--strip-prefix", "module."], 2, "--strip-prefix module. is of --weights FILE: name"),
        (["--weights", __file__], 1, "it is no safetensors file"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    sat_zoo: Run, report: Path, args: list[str], code: int, message: str
) -> None:
    done = sat_zoo("verify", report, *args)
    assert done.code == code
    assert message in done.err
    assert done.err.count("\n") == 1
