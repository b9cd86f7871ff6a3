"""What somebody asked for, and the packages of others that bring models by their own loaders.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from zoo.cards import ModelCard
from zoo.foreign.stated import Stated
from zoo.hub.name import Commit

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Filled", "ModelLibrary", "Wanted", "refuse_stated"]


@dataclass(frozen=True)
class Filled:
    """A network with its weights, in eval mode or not, and its file's SHA-256.

    file_sha256: None where the weights did not come from one file.
    """

    net: nn.Module
    file_sha256: str | None


class ModelLibrary(Protocol):
    """A package of others that makes a network and fills it, both in its own way."""

    def bare(self) -> nn.Module:
        """The network with random weights, as built; within `torch.device("meta")` without any."""
        ...

    def filled(self) -> Filled:
        """The network with the published weights, fetched if they are not here.

        Raises `WeightsUnavailable` if they are not to be had, `WeightsMismatch` if they are not
        what was published, do not fit, or could run code.
        """
        ...

    def where(self) -> str:
        """Where the weights are, or would come from, for people. Asks nobody."""
        ...


@dataclass(frozen=True)
class Wanted:
    """A model that somebody asked for: its card, and where its weights are if not the zoo's own.

    A card of the zoo, or a `ForeignCard`; see `zoo.load` for the names and for `strip_prefix`.
    library: makes and fills the network; then there are no other `weights`.
    """

    card: ModelCard
    weights: Path | Commit | None = None
    strip_prefix: str | None = None
    library: ModelLibrary | None = None


def refuse_stated(stated: Stated, who: str) -> None:
    """Raises `UsageError` for what the user says of a model of which its library says all."""
    said = tuple(name for name in stated.said() if name != "dataset")
    stated.refuse(said, f"{who} is built, filled and fed as its library says")
