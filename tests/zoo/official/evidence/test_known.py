import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.errors import SatZooError, WeightsMismatch
from zoo import networks
from zoo.cards import ModelCard
from zoo.golden.raw import raw_images
from zoo.model import ZooModel
from zoo.official import convert, import_checkpoint, load_tf
from zoo.official.evidence import known
from zoo.official.evidence.golden import golden
from zoo.weights.store import Store

Write = Callable[..., Path]
Variables = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def variables(
    resnet_card: ModelCard,
    make_variables: Callable[..., Variables],
    monkeypatch: pytest.MonkeyPatch,
) -> Variables:
    monkeypatch.setattr(convert, "find_card", lambda name: resnet_card)
    return make_variables(resnet_card)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def prefix(tmp_path: Path, write_bundle: Write, variables: Variables) -> Path:
    return write_bundle(tmp_path / "small", variables)


def facts(prefix: Path, store: Store, **options: Any) -> dict[str, Any]:
    import_checkpoint("small-resnet", prefix, store=store, **options)
    stored = store.find("small-resnet")
    assert stored
    return dict(stored.provenance)


def test_the_fixed_images_are_the_same_everywhere() -> None:
    x = raw_images(3, 64, 2)
    assert x.shape == (2, 3, 64, 64)
    assert (x * 255).round().sum().item() == 3126080
    assert (x[0, 0, 0, :4] * 255).round().tolist() == [0, 93, 212, 14]


def test_the_provenance_holds_the_logits_on_the_fixed_images(
    prefix: Path, store: Store, resnet_card: ModelCard
) -> None:
    found = facts(prefix, store)["golden"]
    net = networks.build(resnet_card)
    net.load_state_dict(load_tf(resnet_card, prefix))
    logits = ZooModel(net, resnet_card, None).eval()(raw_images(3, 64, 2)).detach()
    np.testing.assert_allclose(found["first_logits"], logits, rtol=1e-6)
    assert found["argmax"] == logits.argmax(1).tolist()


def test_a_network_that_answers_nonsense_is_refused(prefix: Path, resnet_card: ModelCard) -> None:
    state = load_tf(resnet_card, prefix)
    state["fc.weight"] = torch.full_like(state["fc.weight"], 3e38)
    with pytest.raises(WeightsMismatch, match="answers with logits that are not finite"):
        golden(resnet_card, state)


def test_a_conversion_like_the_one_before_has_no_differences(prefix: Path, store: Store) -> None:
    assert facts(prefix, store)["differences"] == []
    assert facts(prefix, store)["differences"] == []


def test_other_files_than_before_are_told(
    prefix: Path, store: Store, tmp_path: Path, write_bundle: Write, variables: Variables
) -> None:
    facts(prefix, store)
    variables["linear/b"] = variables["linear/b"] + 1
    (said,) = facts(write_bundle(tmp_path / "small", variables), store)["differences"]
    assert said.startswith("small.index has sha256 ")
    assert said.endswith(" (the one in the store before)")


def test_other_answers_of_the_same_files_are_told_if_they_were_read_alike(
    prefix: Path, store: Store
) -> None:
    first = facts(prefix, store)
    path = store.root / "small-resnet" / "provenance.json"
    first["golden"]["first_logits"][1][2] += 0.1 * first["golden"]["std"][1]
    path.write_text(json.dumps(first))
    (said,) = facts(prefix, store)["differences"]
    assert "the same files answer otherwise on the fixed images, by 0.1 of the logits'" in said
    path.write_text(json.dumps(first))
    assert facts(prefix, store, channel_order="RGB")["differences"] == []


def test_files_that_the_package_does_not_know_are_no_release(
    prefix: Path,
    store: Store,
    tmp_path: Path,
    write_bundle: Write,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = tmp_path / "known.json"
    written.write_text("{}")
    monkeypatch.setattr(known, "PACKAGED", written)
    with pytest.raises(SatZooError, match="is not in the store: fetch it first with: sat-zoo"):
        known.write_down(["small-resnet"], written, store)
    facts(prefix, store, is_release=True)
    known.write_down(["small-resnet"], written, store)
    assert facts(prefix, store, is_release=True)["differences"] == []
    variables["linear/b"] = variables["linear/b"] + 1
    other = write_bundle(tmp_path / "small", variables)
    said = r"small\.index has sha256 .*which sat-zoo knows as the release.*sat-zoo import small-res"
    with pytest.raises(WeightsMismatch, match=said):
        facts(other, store, is_release=True)
    assert len(facts(other, store)["differences"]) == 2


def test_the_packaged_record_can_be_read() -> None:
    assert known.known("no-such-model") is None
