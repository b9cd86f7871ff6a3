"""All models, found by name. Cards are YAML files, `zoo/families/FAMILY/cards.yaml`.

Other packages may bring more, see `zoo.plugged`; a name of ours stays ours.
"""

import fnmatch
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from eval.errors import SatZooError, UsageError, unknown
from zoo.cards import ModelCard
from zoo.plugged import Plugged, Plugins, plugins, yaml_cards

FAMILIES = Path(__file__).parent / "families"


@cache
def _cards() -> dict[str, ModelCard]:
    cards: dict[str, ModelCard] = {}
    for path in sorted(FAMILIES.glob("*/cards.yaml")):
        for entry in yaml_cards(path):
            try:
                found = ModelCard(family=path.parent.name, **entry)
            except ValidationError as error:
                raise SatZooError(
                    f"{path}: card {entry.get('name')!r} is invalid: {error}"
                ) from error
            if found.name in cards:
                raise SatZooError(f"{path}: the name {found.name!r} stands on two cards")
            cards[found.name] = found
    for found in cards.values():
        _check_run(found, cards)
    return cards


def _check_run(found: ModelCard, cards: Mapping[str, ModelCard]) -> None:
    """Raises `SatZooError` for a card with a seed that is not of the model which it names."""
    if found.seed is None or found.seed_of is None:
        return
    if found.seed_of not in cards:
        raise SatZooError(f"card {found.name!r}: seed_of {found.seed_of!r} names no card")
    own = {"bundled": found.bundled, "notes": found.notes}
    if cards[found.seed_of].run_of(found.seed).model_copy(update=own) != found:
        raise SatZooError(
            f"card {found.name!r} differs from {found.seed_of} in more than its seed, weights and"
            " notes: it must be the same model by the same recipe"
        )


def brought() -> Plugins:
    """The cards that other packages bring, and what is wrong with any."""
    return plugins(frozenset(_cards()))


def card(name: str) -> ModelCard:
    """The card of the model `name`.

    Raises `UsageError` with the nearest names if there is none.
    """
    ours = _cards()
    if name in ours:  # then no package is imported
        return ours[name]
    others = brought()
    if name in others.cards:
        return others.cards[name].card
    fault = unknown("model", name, [*ours, *others.cards], see="all names: sat-zoo list")
    if others.faults:
        raise UsageError(f"{fault}; {'; '.join(others.faults)}")
    raise fault


def list_models(pattern: str = "*") -> list[str]:
    """Names of all models that match a shell pattern, such as `"resnet50-*"`, sorted.

    Those that other packages bring are among them.
    """
    return sorted(fnmatch.filter([*_cards(), *brought().cards], pattern))


def run_of(info: ModelCard, seed: int) -> ModelCard:
    """The card of the training run of `info` by `seed`, of the list where it has one.

    Raises `UsageError` where `info` is itself the run of another seed.
    """
    if info.seed not in {None, seed}:
        raise UsageError(
            f"`seed` {seed}: {info.name} is the run of seed {info.seed}: name {info.seed_of}"
        )
    found = info.run_of(seed)
    return _cards().get(found.name, found)


def own_models() -> list[str]:
    """Names of the zoo's own models, sorted: those that its results and claims are about."""
    return sorted(_cards())


def from_package(name: str) -> Plugged | None:
    """What brings the model `name`, None for one of the zoo itself."""
    return None if name in _cards() else brought().cards.get(name)


def package_of(name: str) -> str | None:
    """The package that brings the card of the model `name`, None for one of the zoo itself."""
    package = from_package(name)
    return None if package is None else package.package


def folder_of(info: ModelCard, families: Path = FAMILIES) -> Path:
    """Where the files lie that a card names, as `bundled` does."""
    package = from_package(info.name)
    return families / info.family if package is None else package.folder


def metrics_file(info: ModelCard, families: Path = FAMILIES) -> Path:
    """The training log of the bundled weights, one JSON line an epoch; it may be missing."""
    return families / info.family / f"{info.name}.metrics.jsonl"
