import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.networksize import count_flops, count_parameters
from zoo import registry
from zoo.activations.activations import ACTIVATIONS
from zoo.cards import ModelCard
from zoo.networks import build

NAMES = registry.list_models()
RELEASED = [name for name in NAMES if registry.card(name).official]
SMOOTH = (
    set(ACTIVATIONS)
    - {"relu", "relu-smooth-attacker", "relu-smooth-optimizer"}
    - {"relu-smooth-backward"}
)


@functools.cache
def counted(facts: str) -> tuple[int, int]:
    """Parameters and flops of a card given as JSON; cards that differ in words share the work."""
    card = ModelCard.model_validate_json(facts)
    with torch.device("meta"):
        network = build(card)
    size = (card.input.channels, card.input.size, card.input.size)
    return count_parameters(network), count_flops(network, size)


def facts_of(card: ModelCard) -> str:
    learnable = card.activation == "smoothrelu"
    bare = ModelCard(
        name="x-sat",
        family="x",
        arch=card.arch,
        arch_args=card.arch_args,
        activation="smoothrelu" if learnable else "silu",
        method="sat",
        dataset="x",
        classes=card.classes,
        input=card.input,
        threat=None,
        parameters=0,
    )
    return bare.model_dump_json()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_flops_of_every_card_are_recomputed(name: str) -> None:
    card = registry.card(name)
    assert (card.parameters, card.flops) == counted(facts_of(card))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_says_what_the_card_says(name: str) -> None:
    card = registry.card(name)
    words = (card.seed_of or name).split("-")
    assert card.method in words
    assert card.method == ("sat" if card.activation in SMOOTH else "at")
    assert words[-1] == (card.method if card.dataset == "imagenet" else card.dataset)
    if card.family != "efficientnet" and card.activation != "relu-smooth-backward":
        assert f"-{card.activation}-" in name
    width = next((int(w[1:]) for w in words if w[0] == "w" and w[1:].isdigit()), None)
    assert card.arch_args.get("width") == width


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_has_a_source_and_a_threat_unless_clean(name: str) -> None:
    for claim in registry.card(name).claims:
        assert len(claim.source) > 20
        assert (claim.threat is None) == (claim.protocol == "clean")


def test_24_checkpoints_were_released() -> None:
    assert len(RELEASED) == 24


def official(shared: Path) -> dict[str, dict[str, Any]]:
    text = (shared / "facts" / "official_checkpoints.json").read_text("utf-8")
    return {entry["name"]: entry for entry in json.loads(text)["checkpoints"]}


def claimed(card: ModelCard, source: str) -> list[tuple[str, float]]:
    return sorted((c.protocol, c.accuracy) for c in card.claims if c.source.startswith(source))


@pytest.mark.parametrize("name", RELEASED)
def test_claims_are_those_of_the_readme_and_the_paper(name: str, shared: Path) -> None:
    entry, card = official(shared)[name], registry.card(name)
    readme = {
        "clean": "clean", "pgd10": "pgd-10", "pgd20": "pgd-20", "pgd50": "pgd-50"
    }  # fmt: skip
    published = entry["readme_claim"] or {}
    expected = sorted(
        (protocol, round(published[key] / 100, 3))
        for key, protocol in readme.items()
        if published.get(key) is not None
    )
    if name == "resnet50-softplus-sat":  # the row that was withdrawn, marked as such on the card
        expected = [("clean", 0.681), ("pgd-10", 0.411), ("pgd-20", 0.404), ("pgd-50", 0.402)]
        assert all("removed" in (claim.note or "") for claim in card.claims)
    assert claimed(card, "README") == expected
    paper = entry["paper"] or {}
    both = [("clean", "clean"), ("robust", "pgd-200")]
    assert claimed(card, "Xie") == sorted(
        (protocol, round(paper[key] / 100, 3)) for key, protocol in both if key in paper
    )


@pytest.mark.parametrize("name", RELEASED)
def test_the_place_of_the_weights_is_that_of_the_download_script(name: str, shared: Path) -> None:
    entry, card = official(shared)[name], registry.card(name)
    assert card.official is not None
    assert card.official.prefix == entry["official_prefix"]
    assert card.official.drive_ids == entry["drive_id"]
    assert card.official.channel_order == entry["channel_order"]
    assert card.official.ema == entry["ema"]
    assert (card.family, card.activation) == (entry["family"], entry["activation"])
    assert (card.method, card.input.size) == (entry["training"], entry["resolution"])


def test_the_names_of_the_release_are_the_official_ones(shared: Path) -> None:
    assert set(RELEASED) == set(official(shared))


def test_preprocessing_and_threat_follow_the_family() -> None:
    of_family = {
        "resnet": ("resnet-opencv", "4/255"),
        "efficientnet": ("efficientnet-tf", "4/255"),
        "cifar10": ("none", "8/255"),
    }
    for card in map(registry.card, NAMES):
        if card.family in of_family:
            assert card.threat is not None
            assert (card.input.preprocess, card.threat.eps) == of_family[card.family]
            assert {*card.input.mean, *card.input.std} == {0.5}


def test_gradient_quality_rows_are_the_papers() -> None:
    rows = {
        name: [claim.accuracy for claim in registry.card(name).claims if "Xie" in claim.source]
        for name in NAMES
        if name.startswith("resnet50-relu-")
    }
    assert rows == {
        "resnet50-relu-at": [0.688, 0.330],
        "resnet50-relu-smooth-attacker-at": [0.683, 0.345],
        "resnet50-relu-smooth-optimizer-at": [0.694, 0.358],
        "resnet50-relu-smooth-both-at": [0.689, 0.369],
    }


def test_reading_a_card_does_not_import_torch() -> None:
    code = "import sys; from zoo import registry; registry.card('resnet50-silu-sat')"
    code += "; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
