"""The activation of a network whose weights are a file: no tensor of a file tells it. No torch.

A wrong one changes no name and no shape, so nothing would fail: the numbers would only be wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from eval.arguments import argument
from eval.errors import SatZooError, UsageError, WeightsMismatch
from zoo.pins import pin_of
from zoo.registry import card, list_models
from zoo.weights import copies

if TYPE_CHECKING:
    from zoo.cards import ModelCard
    from zoo.stated import Stated
    from zoo.weight_file import Weights

__all__ = ["activation_of", "refuse_another"]

_OURS = "satzoo_"
_OWN = {"satzoo_efficientnet_": "silu"}
"""What families of ours have by themselves: the paper's EfficientNets are built with Swish. Our
ResNets and ResNeXts have nothing of their own: the activation is what their models differ in."""

_SAME = {"swish": "silu"}
_KEYS = ("activation", "act_layer")


def activation_of(stated: Stated, who: str) -> str:
    """The activation of a file's network: as it was said, else the architecture's own.

    "default" stands for what timm builds by itself. who: for errors.

    Raises `UsageError` where two were said, and for an architecture of ours that has none of its
    own.
    """
    option = (stated.arch_args or {}).get("act_layer")
    said = stated.activation
    if option is not None and said not in (None, option):
        raise UsageError(
            f"{who}: {argument('activation', said)} and"
            f" {argument('arch_args', {'act_layer': option})} name two activations:"
            " leave one out"
        )
    chosen = next((str(value) for value in (said, option) if value is not None), "default")
    arch = str(stated.arch)
    if chosen != "default" or not arch.startswith(_OURS):
        return chosen
    own = next((value for start, value in _OWN.items() if arch.startswith(start)), None)
    if own is None:
        used = sorted({one.activation for one in map(card, list_models()) if one.arch == arch})
        raise UsageError(
            f"{who}: {arch} has no activation of its own, its models differ in it: state it with"
            f" {argument('activation', used[0] if used else 'silu')}"
            + (f" (models of the zoo with it: {', '.join(used)})" if used else "")
        )
    return own


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
    for info in map(card, list_models()):
        known = {info.bundled.sha256} if info.bundled else set()
        # A broken store or pin of another model is no reason not to load this one.
        with contextlib.suppress(SatZooError):
            pin = pin_of(info.name)
            known |= {pin.sha256} if pin else set()
            known |= {str(copy.sha256) for copy in copies(info)}
        if sha256 in known:
            yield f"the card of {info.name}, whose file it is,", info.activation


def _normal(name: str) -> str:
    plain = name.rpartition(".")[2].lower()
    return _SAME.get(plain, plain)
