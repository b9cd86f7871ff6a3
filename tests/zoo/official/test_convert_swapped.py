"""A checkpoint is opened once: the files whose digests are compared are those that are read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from eval.files.writing import sha256_of
from tests.zoo.swapping import swap_once_open
from zoo.cards import ModelCard
from zoo.official import convert, import_checkpoint, load_tf
from zoo.official.format.tensor_bundle import TensorBundle
from zoo.weights.store import Store

Write = Callable[..., Path]


def test_what_is_converted_are_the_files_that_were_compared_with_the_release(
    tmp_path: Path,
    write_bundle: Write,
    make_variables: Callable[..., dict[str, Any]],
    resnet_card: ModelCard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "find_card", lambda name: resnet_card)
    variables = make_variables(resnet_card)
    prefix = write_bundle(tmp_path / "Res50-small", variables)
    expected = load_tf(resnet_card, prefix)
    others = {name: values * 2 for name, values in variables.items()}
    write_bundle(tmp_path / "evil", others)
    digests = {file.name: sha256_of(file) for file in TensorBundle(prefix).files}

    def swapped(card: ModelCard, files: Any) -> None:
        assert {name: facts["sha256"] for name, facts in files.items()} == digests
        for file in TensorBundle(tmp_path / "evil").files:
            file.replace(file.with_name(file.name.replace("evil", "Res50-small")))

    monkeypatch.setattr(convert, "check_sources", swapped)
    path = import_checkpoint(
        "small-resnet", prefix, store=Store(tmp_path / "store"), is_release=True
    )
    found = load_file(path)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    facts = json.loads((path.parent / "provenance.json").read_text("utf-8"))
    assert {name: entry["sha256"] for name, entry in facts["files"].items()} == digests


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_bundle_reads_what_it_has_digests_of(
    tmp_path: Path,
    write_bundle: Write,
    make_variables: Callable[..., dict[str, Any]],
    resnet_card: ModelCard,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = make_variables(resnet_card)
    prefix = write_bundle(tmp_path / "x", variables)
    file = Path(f"{prefix}.{suffix}")
    digests = {path.name: sha256_of(path) for path in TensorBundle(prefix).files}
    bundle = TensorBundle(prefix)
    bundle.read("linear/b")
    swap_once_open(monkeypatch, file, b"evil" * 99)
    file.open("rb").close()
    assert file.stat().st_size == 4 * 99
    assert {name: of["sha256"] for name, of in bundle.digests().items()} == digests
    assert (bundle.read("linear/W") == variables["linear/W"]).all()
