"""The activation that a weight file is known to be of, held against what was said. No torch.

No tensor of a file tells it. A wrong one changes no name and no shape, so nothing would fail: the
numbers would only be wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from eval.arguments import argument
from eval.errors import SatZooError, WeightsMismatch
from zoo.registry import card, own_models
from zoo.weights.find import digests

if TYPE_CHECKING:
    from zoo.cards import ModelCard
    from zoo.weights.file import Weights

__all__ = ["refuse_another"]

_SAME = {"swish": "silu"}
_KEYS = ("activation", "act_layer")


def refuse_another(info: ModelCard, weights: Weights) -> None:
    """Raises `WeightsMismatch` if the file is known to be of another activation than `info` says.

    It is known where the file's metadata says it, and, if nobody named an activation or a model of
    the zoo, where its bytes are those of one. Who names another for such bytes means it: what the
    same tensors are worth with another activation is a question that people ask.
    """
    said = _normal(info.activation)
    known = _by_digest(weights.sha256) if said == "default" else ()
    for who, theirs in (*_by_metadata(weights.metadata), *known):
        if _normal(theirs) == said:
            continue
        ours = "nobody said which" if said == "default" else f"{said} was said"
        if info.family != "foreign":
            ours = f"{info.name} has {said}"
        raise WeightsMismatch(
            f"{weights.path}: {who} says that its activation is {theirs}, and {ours}: with another"
            f" one the same tensors are another network; measure it with {theirs}"
            + (f" ({argument('activation', _normal(theirs))})" if info.family == "foreign" else "")
        )


def _by_metadata(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in _KEYS:
        if metadata.get(key):
            yield f"its metadata ({key!r})", metadata[key]


def _by_digest(sha256: str) -> Iterator[tuple[str, str]]:
    """The cards of the models whose weights are these very bytes."""
    for info in map(card, own_models()):
        # A broken store or pin of another model is no reason not to load this one.
        with contextlib.suppress(SatZooError):
            if sha256 in digests(info):
                yield f"the card of {info.name}, whose file it is,", info.activation


def _normal(name: str) -> str:
    plain = name.rpartition(".")[2].lower()
    return _SAME.get(plain, plain)
