"""What is hashed is what is loaded, copied, published and bundled: a weight file is read once."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

import zoo
from eval.errors import WeightsMismatch
from tests.zoo.swapping import swap_once_open
from zoo.cli.pull_check import copy_to
from zoo.hub.verified import is_good, is_verified
from zoo.publish.package import prepare
from zoo.registry import FAMILIES
from zoo.weights import file as weight_file
from zoo.weights import find as weights_module
from zoo.weights.file import Found, WeightFile, load_file, read, read_weights
from zoo.weights.store import Store

NAME = "resnet8-silu-sat-digits"
BUNDLED = FAMILIES / "digits" / f"{NAME}.safetensors"
CONTENT = BUNDLED.read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
EVIL = save({name: torch.zeros_like(value) for name, value in load(CONTENT).items()})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    path.write_bytes(CONTENT)
    return path


def are_right(tensors: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensors[name], value) for name, value in load(CONTENT).items())


def test_a_file_swapped_between_two_reads_is_read_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_once_open(monkeypatch, file, EVIL)
    tensors = read_weights("x", Found(file, "store", SHA256)).tensors
    assert file.read_bytes() == EVIL  # the swap took place
    assert are_right(dict(tensors))


def test_a_file_swapped_before_the_only_read_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = weight_file.load_file

    def swapped(path: Path) -> WeightFile:
        path.write_bytes(EVIL)
        return real(path)

    monkeypatch.setattr(weight_file, "load_file", swapped)
    with pytest.raises(WeightsMismatch, match=r"not .* as promised: the file was changed"):
        read_weights("x", Found(file, "store", SHA256))


def test_bundled_weights_that_are_swapped_while_loading_are_those_of_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits" / BUNDLED.name
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    monkeypatch.setattr(weights_module, "FAMILIES", tmp_path)
    swap_once_open(monkeypatch, path, EVIL)
    model = zoo.load(NAME)
    assert model.file_sha256 == SHA256
    assert are_right(model.net.state_dict())


def test_of_a_file_that_nobody_promised_the_digest_is_of_what_was_loaded(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_once_open(monkeypatch, file, EVIL)
    model = zoo.load(NAME, weights=file)
    assert model.file_sha256 == SHA256
    assert are_right(model.net.state_dict())


def test_stored_weights_that_are_swapped_while_loading_are_those_that_were_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "resnet18-gelu-sat-cifar10"
    state = zoo.load(name, pretrained=False).net.state_dict()
    path = Store().put(name, state, {})
    stored = Store().find(name)
    assert stored is not None
    swap_once_open(monkeypatch, path, save({k: torch.zeros_like(v) for k, v in state.items()}))
    model = zoo.load(name)
    assert (model.source, model.file_sha256) == ("store", stored.sha256)
    assert all(torch.equal(value, state[key]) for key, value in model.net.state_dict().items())


def test_what_is_published_is_what_was_loaded_and_described(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_once_open(monkeypatch, file, EVIL)
    package = prepare(NAME, "org", weights=file)
    assert package.weights.content == CONTENT
    assert package.weights.sha256 == SHA256
    assert SHA256 in package.text("README.md")


def test_what_is_copied_is_what_was_verified(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_once_open(monkeypatch, file, EVIL)
    copy_to(NAME, Found(file, "hub", SHA256), tmp_path / "to")
    assert (tmp_path / "to" / f"{NAME}.safetensors").read_bytes() == CONTENT


def test_what_is_bundled_is_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.train.record.bundle import bundle

    run, families = tmp_path / "run", tmp_path / "families"
    run.mkdir()
    (run / "model.safetensors").write_bytes(CONTENT)
    about = {"model": NAME, "is_complete": True, "weights_sha256": SHA256}
    (run / "run.json").write_text(json.dumps(about))
    (run / "metrics.jsonl").write_text("")
    (families / "digits").mkdir(parents=True)
    shutil.copy(FAMILIES / "digits" / "cards.yaml", families / "digits")
    swap_once_open(monkeypatch, run / "model.safetensors", EVIL)
    monkeypatch.setattr("zoo.train.record.bundle.ATTACKS", ("clean",))
    bundle(
        zoo.card(NAME), run, data=None, data_dir=None, device="cpu", say=print, families=families
    )
    assert (families / "digits" / BUNDLED.name).read_bytes() == CONTENT
    report = json.loads((run / f"{NAME}.clean.json").read_text())
    assert report["model"]["file_sha256"] == SHA256
    assert report["clean"]["accuracy"] > 0.9


def test_a_run_whose_weights_are_not_those_of_its_record_is_not_bundled(tmp_path: Path) -> None:
    from zoo.train.record.bundle import bundle

    (tmp_path / "model.safetensors").write_bytes(EVIL)
    about = {"model": NAME, "is_complete": True, "weights_sha256": SHA256}
    (tmp_path / "run.json").write_text(json.dumps(about))
    with pytest.raises(WeightsMismatch, match=r"has sha256 .*, not .* as promised"):
        bundle(zoo.card(NAME), tmp_path, data=None, data_dir=None, device="cpu", say=print)


def test_bytes_that_change_on_their_way_into_the_store_are_not_vouched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, real = "small-net", Path.write_bytes

    def spoiled(path: Path, content: bytes) -> int:
        return real(path, content[:-1] + bytes([content[-1] ^ 1]))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", spoiled)
        path = Store().put(name, {"w": torch.ones(9)}, {})
    stored = Store().find(name)
    assert stored is not None
    with pytest.raises(WeightsMismatch, match="the file was changed; import it again"):
        read(name, Found(path, "store", stored.sha256))


def test_a_file_that_is_swapped_while_it_is_hashed_is_not_remembered_as_verified(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        swap_once_open(patch, file, EVIL)
        assert is_good(file, SHA256)
    os.utime(file)
    assert not is_verified(file, SHA256)


def test_the_digest_and_the_tensors_are_of_the_same_bytes(file: Path) -> None:
    found = load_file(file)
    file.unlink()
    assert found.sha256 == SHA256
    weights = found.weights()
    assert weights.sha256 == SHA256
    assert are_right(dict(weights.tensors))


def test_a_file_without_metadata_and_one_with_some_say_so() -> None:
    tensors = {"w": torch.ones(1)}
    assert WeightFile(Path("x"), save(tensors)).weights().metadata == {}
    said = {"format": "pt", "activation": "silu"}
    assert WeightFile(Path("x"), save(tensors, said)).weights().metadata == said


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsMismatch, match=r"^net: .*gone cannot be read .*no safetensors file"):
        read("net", Found(tmp_path / "gone", "file", None))


def test_reading_and_verifying_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, zoo.weights.file, zoo.weights.find; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
