import hashlib
import json

import pytest
from pydantic import ValidationError

import zoo
from eval.errors import UsageError
from zoo.registry import FAMILIES, metrics_file
from zoo.train.recipe import read_recipe
from zoo.train.record.events import EpochResult

BUNDLED = [name for name in zoo.list_models() if zoo.card(name).bundled]


def test_names_are_sorted_and_found_by_pattern() -> None:
    names = zoo.list_models()
    assert names == sorted(names)
    assert zoo.list_models("*-digits") == [n for n in names if n.endswith("-digits")]
    assert zoo.list_models("nothing*") == []


def test_cards_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        zoo.card("resnet8-silu-sat-digits").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_are_those_the_card_promises(name: str) -> None:
    card = zoo.card(name)
    assert card.bundled is not None
    content = (FAMILIES / card.family / card.bundled.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.bundled.sha256


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_come_with_the_log_of_their_whole_training(name: str) -> None:
    card = zoo.card(name)
    lines = metrics_file(card).read_text("utf-8").splitlines()
    log = [EpochResult(**json.loads(line)) for line in lines]
    assert [entry.epoch for entry in log] == list(range(1, read_recipe(card).epochs + 1))


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_recipe_named_on_a_card_exists(name: str) -> None:
    card = zoo.card(name)
    assert card.recipe is None or (FAMILIES / card.family / card.recipe).is_file()


def test_an_unknown_card_brings_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"did you mean resnet50-silu-sat .*sat-zoo list"):
        zoo.card("resnet50-sliu-sat")
