import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

import zoo
from eval.errors import SatZooError, UsageError
from zoo.cards import ModelCard
from zoo.registry import FAMILIES, _check_run, metrics_file
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


def test_the_run_of_another_seed_is_the_same_model_by_the_same_recipe() -> None:
    run = zoo.card("resnet8-silu-sat-digits-seed-1")
    base = zoo.card("resnet8-silu-sat-digits")
    own = {"bundled": run.bundled, "notes": run.notes}
    assert base.run_of(1).model_copy(update=own) == run
    assert (read_recipe(base).seed, read_recipe(run).seed) == (0, 1)
    assert read_recipe(run, ["lr=1"]).seed == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": None}, "seed and seed_of belong together"),
        ({"seed": 2}, "it must be called resnet8-silu-sat-digits-seed-2"),
        ({"seed_of": "other"}, "it must be called other-seed-1"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_a_card_of_another_seed_says_which_and_of_what(
    change: dict[str, Any], message: str
) -> None:
    whole = zoo.card("resnet8-silu-sat-digits-seed-1").model_dump()
    with pytest.raises(ValidationError, match=message):
        ModelCard.model_validate({**whole, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch_args": {"width": 3}}, "differs from resnet8-silu-sat-digits in more than its seed"),
        ({"seed_of": "none", "name": "none-seed-1"}, "seed_of 'none' names no card"),
    ],
)
def test_a_card_that_differs_in_more_than_its_seed_is_refused(
    change: dict[str, Any], message: str
) -> None:
    run = zoo.card("resnet8-silu-sat-digits-seed-1").model_copy(update=change)
    base = zoo.card("resnet8-silu-sat-digits")
    with pytest.raises(SatZooError, match=message):
        _check_run(run, {base.name: base, run.name: run})


def test_an_unknown_card_brings_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"did you mean resnet50-silu-sat .*sat-zoo list"):
        zoo.card("resnet50-sliu-sat")
