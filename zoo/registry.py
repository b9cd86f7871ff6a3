"""All models, found by name. Cards are YAML files, `zoo/families/FAMILY/cards.yaml`."""

import fnmatch
from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from eval.errors import SatZooError, unknown
from zoo.cards import ModelCard

FAMILIES = Path(__file__).parent / "families"


@cache
def _cards() -> dict[str, ModelCard]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    cards: dict[str, ModelCard] = {}
    for path in sorted(FAMILIES.glob("*/cards.yaml")):
        for entry in yaml.load(path.read_text("utf-8"), Loader=loader)["cards"]:
            try:
                found = ModelCard(family=path.parent.name, **entry)
            except ValidationError as error:
                raise SatZooError(
                    f"{path}: card {entry.get('name')!r} is invalid: {error}"
                ) from error
            if found.name in cards:
                raise SatZooError(f"{path}: the name {found.name!r} stands on two cards")
            cards[found.name] = found
    return cards


def card(name: str) -> ModelCard:
    """The card of the model `name`.

    Raises `UsageError` with the nearest names if there is none.
    """
    try:
        return _cards()[name]
    except KeyError:
        raise unknown("model", name, _cards(), see="all names: sat-zoo list") from None


def list_models(pattern: str = "*") -> list[str]:
    """Names of all models that match a shell pattern, such as `"resnet50-*"`, sorted."""
    return sorted(fnmatch.filter(_cards(), pattern))


def metrics_file(info: ModelCard, families: Path = FAMILIES) -> Path:
    """The training log of the bundled weights, one JSON line an epoch; it may be missing."""
    return families / info.family / f"{info.name}.metrics.jsonl"
