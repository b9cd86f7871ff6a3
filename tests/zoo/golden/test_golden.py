"""Golden logits: what they are of, where they lie, and what is refused."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from safetensors.torch import load_file, save_file

import zoo
from eval.errors import SatZooError, WeightsMismatch
from zoo.golden import pictures as drawn
from zoo.golden.draw import SETS
from zoo.golden.file import AboutGolden, read_golden
from zoo.golden.raw import raw_images, raw_levels, raw_sha256, raw_size
from zoo.golden.record import record
from zoo.golden.tolerance import distances, tolerance
from zoo.registry import FAMILIES, card, list_models
from zoo.weights.beside import golden_beside

NAME = "resnet8-silu-sat-digits"
BUNDLED = FAMILIES / "digits" / f"{NAME}.safetensors"
GOLDEN = golden_beside(BUNDLED)
WITH_WEIGHTS = [name for name in list_models() if card(name).bundled]


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_every_bundled_model_answers_as_where_it_was_made(name: str) -> None:
    info = card(name)
    assert info.bundled is not None
    path = FAMILIES / info.family / info.bundled.file
    golden = read_golden(golden_beside(path), info.bundled.sha256)
    assert golden is not None
    now = record(zoo.load(name), info.bundled.sha256)
    assert distances(now.raw, golden.raw).max() <= tolerance(torch.device("cpu"))
    assert distances(now.pictures, golden.pictures).max() <= 0.01
    assert now.about.pictures == golden.about.pictures
    assert len(golden.pictures) == 8


@pytest.mark.parametrize(
    ("channels", "size", "digest"),
    [
        (3, 64, "c76bdcff0b330cb03b398ddc5748e030af18189b3f8c344aea89b7b9f8491f41"),
        (3, 16, "fb2f612d2485e84076b8816da83495f6478d9c11be1130d38eecd89a48b3dd83"),
        (1, 8, "c45bed641b86e2a431f1bea9c533d2b0622e17682f4cf7d91c9a403a6642ab24"),
    ],
)
def test_the_fixed_tensors_are_the_same_bits_everywhere(
    channels: int, size: int, digest: str
) -> None:
    assert raw_sha256(channels, size) == digest
    four = raw_images(channels, size, 4)
    assert torch.equal(four, raw_images(channels, size)[:4])
    assert not np.array_equal(raw_levels(channels, size), raw_levels(channels, size, seed=1))


@pytest.mark.parametrize("name", ["efficientnet-l1-sat", "resnet18-relu-at-cifar10", NAME])
def test_no_fixed_tensor_is_larger_than_the_model_takes(name: str) -> None:
    assert raw_size(card(name).input) <= min(64, card(name).input.size)


@pytest.mark.parametrize("name", drawn.DIGESTS)
def test_a_set_has_eight_pictures_in_both_formats(name: str) -> None:
    found = drawn.pictures(name)
    assert len(found) == 8
    assert {one.is_jpeg for one in found} == {True, False}


def test_the_script_draws_the_pictures_of_the_package(tmp_path: Path) -> None:
    SETS["8x8-grey"](tmp_path)
    for file in drawn.DIGESTS["8x8-grey"]:
        if file.endswith(".png"):
            made = (tmp_path / file).read_bytes()
            assert made == (drawn.FOLDER / "8x8-grey" / file).read_bytes()


def test_a_picture_that_somebody_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "FOLDER", tmp_path)
    with pytest.raises(SatZooError, match=r"cannot be read .* reinstall sat-zoo"):
        drawn.pictures("photo")
    (tmp_path / "photo").mkdir()
    (tmp_path / "photo" / "0-landscape.jpg").write_bytes(b"other")
    with pytest.raises(SatZooError, match="is not the picture of this package: reinstall"):
        drawn.pictures("photo")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The bundled weights as a file of their own, with their golden logits."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(BUNDLED.read_bytes())
    golden_beside(path).write_bytes(GOLDEN.read_bytes())
    return path


Spoil = Callable[[bytes], bytes]


def said(content: bytes, **changes: object) -> bytes:
    """The file with other words about it."""
    size = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["golden"])
    return save(load(content), metadata={"golden": json.dumps({**about, **changes})})


def with_logits(content: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:  # type: ignore[type-arg]
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    tensors = load(content)
    return save({**tensors, "raw": change(tensors["raw"])}, metadata=metadata)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c[:-1], "cannot be read"),
        (lambda c: b"", "cannot be read"),
        (lambda c: b"<html>" + c, "cannot be read"),
        (lambda c: save(load(c)), "says nothing of golden logits"),
        (lambda c: said(c, schema="sat-zoo/golden@2"), "schema"),
        (lambda c: said(c, classes=11), "'raw' is no float32 of shape"),
        (lambda c: said(c, raw_size=10**6), "raw_size"),
        (lambda c: said(c, more=1), "more"),
        (lambda c: with_logits(c, lambda y: y * np.nan), "not finite"),
        (lambda c: with_logits(c, lambda y: y[:3]), "'raw' is no float32 of shape"),
        (lambda c: said(c, weights_sha256="0" * 64), "golden logits of other weights"),
        (lambda c: with_logits(c, lambda y: y + 1), "does not answer as where its weights"),
    ],
)
def test_a_golden_file_that_is_damaged_or_of_other_weights_is_refused(
    spoil: Spoil, message: str, copy: Path
) -> None:
    zoo.load(NAME, weights=copy)
    golden_beside(copy).write_bytes(spoil(GOLDEN.read_bytes()))
    with pytest.raises(WeightsMismatch, match=message) as caught:
        zoo.load(NAME, weights=copy)
    assert "\n" not in str(caught.value)
    assert zoo.load(NAME, weights=copy, check=False).source == "file"


def test_weights_without_golden_logits_load_and_say_so(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    golden_beside(copy).unlink()
    with caplog.at_level(logging.INFO):
        zoo.load(NAME, weights=copy)
    assert "no golden logits lie at" in caplog.text


def test_stale_golden_logits_beside_retrained_weights_are_told(copy: Path) -> None:
    save_file({k: v + 1 for k, v in load_file(BUNDLED).items()}, copy)
    with pytest.raises(WeightsMismatch, match="delete it, or put the file there that belongs"):
        zoo.load(NAME, weights=copy)


def test_another_normalisation_than_recorded_is_found_at_loading(copy: Path) -> None:
    stated = {"arch": "satzoo_resnet8_digits", "activation": "silu", "classes": 10, "size": 8}
    right = zoo.load(copy, **stated, mean=[0.5], std=[0.5])  # type: ignore[arg-type]
    assert right.source == "file"
    with pytest.raises(WeightsMismatch, match=r"input is said to be .*std 0.3 instead of 0.5"):
        zoo.load(copy, **stated, mean=[0.5], std=[0.3])  # type: ignore[arg-type]


def test_lowered_precision_alone_is_no_other_model(copy: Path) -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            assert zoo.load(NAME, weights=copy).source == "file"
        assert tolerance(torch.device("cpu")) == 0.1
    finally:
        torch.set_float32_matmul_precision(before)


def test_what_agreed_once_is_not_asked_again_until_something_changes(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.golden import check

    n_asked = []
    differs = check._differs
    monkeypatch.setattr(check, "_differs", lambda *a: (n_asked.append(1), differs(*a))[1])
    for _ in range(3):
        zoo.load(NAME, weights=copy)
    assert len(n_asked) == 1
    golden_beside(copy).write_bytes(said(GOLDEN.read_bytes(), written_by="another"))
    zoo.load(NAME, weights=copy)
    assert len(n_asked) == 2


def test_the_golden_file_names_what_it_is_of() -> None:
    golden = read_golden(GOLDEN)
    assert golden is not None
    about = golden.about
    assert about.weights_sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert (about.name, about.precision, about.device) == (NAME, "fp32", "cpu")
    assert AboutGolden.same_input(card(NAME), about.input) == ""
    assert GOLDEN.stat().st_size < 10_000
