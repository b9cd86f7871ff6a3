"""Cards that other packages bring, by the entry-point group `sat_zoo.cards`.

In the pyproject.toml of such a package stands

    [project.entry-points."sat_zoo.cards"]
    NAME = "module:attribute"

and the attribute is a `ModelCard`, several, the path of a cards.yaml, or a function that returns
one of these. Its module is imported for every list of models, so it should import no torch. What is
wrong with one package is said of it, and the others go on. No torch here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from eval.errors import first_fault, first_line
from eval.files.border import plain, read_bytes
from zoo.cards import ModelCard

__all__ = ["GROUP", "Plugged", "Plugins", "plugins", "yaml_cards"]

GROUP = "sat_zoo.cards"


@dataclass(frozen=True)
class Plugged:
    """A card that a package brings. folder: where files that it names lie, as `bundled` does."""

    card: ModelCard
    package: str
    folder: Path


@dataclass(frozen=True)
class Plugins:
    """All cards of other packages by name, and a sentence on each thing that was left out."""

    cards: Mapping[str, Plugged]
    faults: tuple[str, ...]

    def about(self, name: str) -> tuple[str, ...]:
        """The sentences that tell of a model of this name."""
        return tuple(fault for fault in self.faults if repr(name) in fault)


@cache
def plugins(ours: Collection[str]) -> Plugins:
    """What is installed; a name of `ours` stays ours. Imports the packages; once a process."""
    found: dict[str, Plugged] = {}
    faults: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (_package(one), one.name)):
        who = f"the package {plain(_package(entry), 80)} ({GROUP}: {plain(entry.name, 80)})"
        try:
            said, folder = _loaded(entry)
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything
            why = f"{type(error).__name__}: {first_line(error)}"
            faults.append(f"{who} brings no cards: {plain(why)}; mend or uninstall it")
            continue
        for one in said:
            card = _card(one, _package(entry), who, faults)
            if card is None:
                continue
            if card.name in ours or card.name in found:
                other = found[card.name].package if card.name in found else "the zoo"
                faults.append(
                    f"{who} brings a card of the name {card.name!r}, which {other} has already:"
                    " that one is taken"
                )
                continue
            found[card.name] = Plugged(card, _package(entry), folder)
    return Plugins(found, tuple(faults))


def yaml_cards(path: Path) -> list[Mapping[str, Any]]:
    """The entries of a cards.yaml. Raises whatever its reading raises, and `ValueError`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load(read_bytes(path).decode("utf-8"), Loader=loader)
    entries = content.get("cards") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ValueError(f"{path} has no list of cards")
    return entries


def _package(entry: EntryPoint) -> str:
    """The distribution's name; an entry point that was made in memory has none."""
    return entry.dist.name if entry.dist is not None else entry.module.partition(".")[0]


def _loaded(entry: EntryPoint) -> tuple[Iterable[Any], Path]:
    """What the entry leads to, one by one, and the folder of its files."""
    said = entry.load()
    if callable(said) and not isinstance(said, ModelCard):
        said = said()
    if isinstance(said, ModelCard):
        said = [said]
    if isinstance(said, str | os.PathLike):
        path = Path(said)
        return yaml_cards(path), path.absolute().parent
    if not isinstance(said, Iterable):
        raise TypeError(f"{entry.value} is a {type(said).__name__}, no cards and no path of any")
    home = getattr(sys.modules[entry.module], "__file__", None)
    return list(said), Path(home or ".").absolute().parent


def _card(said: Any, package: str, who: str, faults: list[str]) -> ModelCard | None:
    """The card, of the family that is the package; None, and a fault more, where it is none."""
    name = said.name if isinstance(said, ModelCard) else None
    try:
        if isinstance(said, ModelCard):
            said = said.model_dump(exclude={"family"})
        if not isinstance(said, Mapping):
            raise TypeError(f"it is a {type(said).__name__}, no ModelCard")
        name = said.get("name")
        card = ModelCard(**{**said, "family": package})
        if card.official or card.recipe:
            raise ValueError("official and recipe are of the zoo's own models: leave them out")
    except (ValidationError, TypeError, ValueError) as error:
        why = first_fault(error, "it") if isinstance(error, ValidationError) else str(error)
        faults.append(f"{who}: the card {plain(repr(name), 80)} is invalid: {plain(why)}")
        return None
    return card
