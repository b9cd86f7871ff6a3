"""Which models there are, what can be used now, and how accurate each is. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from eval.arguments import argument
from eval.errors import UsageError, unknown
from eval.threat import NORMS, is_norm
from zoo.accuracies import Accuracies, accuracies
from zoo.cards import ModelCard
from zoo.hub.pins import pin_of
from zoo.registry import card, list_models, package_of
from zoo.weights.find import local_weights

Where = Literal["bundled", "package", "store", "hub cache", "hub", "official", "none"]
PLACES: tuple[Where, ...] = get_args(Where)
HERE: tuple[Where, ...] = ("bundled", "package", "store", "hub cache")
"""The places from which weights come without a network."""


_HERE: Mapping[str, Where] = {
    "bundled": "bundled",
    "library": "package",
    "store": "store",
    "hub": "hub cache",
}


@dataclass(frozen=True)
class Listed:
    """A model: its card, where its weights can be had now, and its accuracies.

    where: "bundled" with the zoo, or with the "package" that brings the card, in the local "store",
    in the "hub cache"; else on the "hub", pinned, or in the authors' "official" release, which both
    are fetched; else "none". package: what brings the card, None for the zoo itself.
    """

    card: ModelCard
    where: Where
    accuracies: Accuracies
    package: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether it can be used without a network."""
        return self.where in HERE

    def to_dict(self) -> dict[str, Any]:
        """The card's own fields, and `weights`, `available`, `accuracies`, `package`, for JSON."""
        more = {"weights": self.where, "available": self.is_here, "package": self.package}
        return {**self.card.model_dump(mode="json"), **more, "accuracies": asdict(self.accuracies)}


def where(info: ModelCard) -> Where:
    """Where the weights of a model can be had now. Asks nobody."""
    found = local_weights(info)
    if found is not None:
        return _HERE[found.source]
    if pin_of(info.name) is not None:
        return "hub"
    return "official" if info.official else "none"


def catalogue(
    pattern: str = "*",
    *,
    data: str | None = None,
    norm: str | None = None,
    available: bool = False,
) -> tuple[Listed, ...]:
    """The models that fit, first what can be used now, then what can be fetched, by name.

    Args:
        pattern: a shell pattern of names, as "resnet50-*".
        data: only models for this data set.
        norm: only models trained for this norm, "Linf" or "L2".
        available: only models that can be used without a network.

    Raises:
        UsageError: where none fits, with what to do; a data set or norm that does not exist.

    """
    names = list_models(pattern)
    if not names:
        raise UsageError(f"pattern {pattern!r} matches no model: see all with sat-zoo list")
    _check(data, norm)
    fitting = [
        info
        for info in map(card, names)
        if (data is None or info.dataset == data.lower())
        and (norm is None or (info.threat is not None and is_norm(norm, info.threat.norm)))
    ]
    places = {info.name: where(info) for info in fitting}
    chosen = [info for info in fitting if not available or places[info.name] in HERE]
    if not chosen:
        raise UsageError(_none(pattern, data, norm, n_elsewhere=len(fitting)))
    known = accuracies(chosen)
    listed = [
        Listed(info, places[info.name], known[info.name], package_of(info.name)) for info in chosen
    ]
    return tuple(sorted(listed, key=lambda one: (PLACES.index(one.where), one.card.name)))


def _check(data: str | None, norm: str | None) -> None:
    sets = sorted({card(name).dataset for name in list_models()})
    if data is not None and data.lower() not in sets:
        raise unknown("data set", data, sets, see="of the models: sat-zoo list")
    if norm is not None and not any(is_norm(norm, one) for one in NORMS):
        raise unknown("norm", norm, NORMS)


def _none(pattern: str, data: str | None, norm: str | None, *, n_elsewhere: int) -> str:
    """One sentence: what was asked for together, and what to leave out."""
    said = [f"pattern {pattern!r}"] if pattern != "*" else []
    said += [argument("data", data)] if data else []
    said += [argument("norm", norm)] if norm else []
    what = f"no model fits {' and '.join(said)}" if said else "no model"
    if n_elsewhere:
        return (
            f"{what} has weights on this machine, of {n_elsewhere} that fit otherwise: leave out"
            " `available=True` to see them, then fetch one with sat-zoo pull NAME"
        ).replace("fits", "that fits", 1)
    less = "leave one of them out, or " if len(said) > 1 else ""
    return f"{what}: {less}see all with sat-zoo list"
