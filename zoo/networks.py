"""The network of a card: built, and filled with weights, every tensor in its place.

timm builds it, and is imported, only where `zoo.archs.builder` has nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from eval.errors import (
    ModelError,
    SatZooError,
    UsageError,
    WeightsMismatch,
    first_line,
    unknown,
)
from eval.files.border import border, plain
from eval.files.limits import check
from zoo import archs
from zoo.activations.activations import ACTIVATIONS
from zoo.cards import ForeignCard
from zoo.foreign.growth import growing_within_limits
from zoo.weights.prefixes import is_counter, prefix_advice, taken

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zoo.cards import ModelCard
    from zoo.weights.file import Weights

__all__ = ["build", "filled"]

archs.register_if_timm_is_here()


def build(card: ModelCard) -> nn.Module:
    """The bare network of a card, freshly initialised, in training mode.

    The network reads (B, C, H, W) after normalisation: `(x - mean) / std` is not part of it.
    Inside `with torch.device("meta")` it costs no memory, for counting.

    Raises `UsageError` if the card names an architecture or an activation that does not exist; of
    a `ForeignCard` `ModelError` where timm cannot build it so, or where a config.json named that
    architecture.
    """
    if isinstance(card, ForeignCard):
        _outline(card)
        return _build_foreign(card)
    archs.register_if_timm_is_here()
    make = archs.builder(card.arch) or _by_name_of_timm(card)
    if card.activation not in ACTIVATIONS:
        raise unknown(f"activation of the card {card.name}", card.activation, ACTIVATIONS)
    return make(
        num_classes=card.classes,
        in_chans=card.input.channels,
        act_layer=ACTIVATIONS[card.activation],
        **card.arch_args,
    )


def filled(card: ModelCard, weights: Weights, strip_prefix: str | None = None) -> nn.Module:
    """The bare network of a card with the weights in it, every tensor of which has its place.

    strip_prefix: as `zoo.load` has it. Raises as `build`, and `WeightsMismatch` for weights that
    are not exactly the network's tensors.
    """
    # Of a stranger's network only the outline, until its tensors are known to be the file's.
    is_foreign = isinstance(card, ForeignCard)
    net = _outline(card) if isinstance(card, ForeignCard) else build(card)
    tensors = weights.tensors
    if strip_prefix is not None:
        try:
            tensors = taken(tensors, net.state_dict().keys(), strip_prefix)
        except WeightsMismatch as error:
            raise WeightsMismatch(f"{card.name}: {weights.path}: {error}") from error
    problem = _misfit(net, tensors)
    if not problem:
        if is_foreign:
            net = _build_foreign(cast(ForeignCard, card))
        _put(net, tensors)
        return net
    if isinstance(card, ForeignCard) and card.timm_cfg and _may_be_of(net, tensors):
        # Files of older timm have other names for some tensors; timm knows how they changed.
        with contextlib.suppress(ModelError):  # then the first problem is the one to tell
            return _by_timm(card, tensors)
    hint = prefix_advice(weights.tensors, net.state_dict().keys(), strip_prefix)
    raise WeightsMismatch(
        f"{card.name}: {weights.path} does not fit: {problem};"
        f" {hint or 'use the weights of this very model'}"
    )


def _by_name_of_timm(card: ModelCard) -> Callable[..., nn.Module]:
    if not _timm().is_model(card.arch):
        raise _no_arch(f"the card {card.name}", card)
    return partial(_timm().create_model, card.arch)


def _timm() -> Any:
    """timm, which then has the names of `zoo.archs` too."""
    import timm

    archs.register()
    return timm


def _outline(card: ForeignCard) -> nn.Module:
    """The network without memory, which counts what it would take before it is taken.

    Raises `ModelError` for one larger than the limits, as `_create` does while it grows.
    """
    import torch

    with torch.device("meta"):
        net = _build_foreign(card)
    n_numbers = sum(one.numel() for one in (*net.parameters(), *net.buffers()))
    with border(f"{card.name}: its network", ModelError, "use `evaluate(model)`"):
        check("parameters", n_numbers, "numbers")
    return net


def _may_be_of(outline: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether timm may try to fit tensors that have other names: they must be about as many."""
    state = outline.state_dict()
    if any(_kind(value) not in {"real", "whole"} for value in tensors.values()):
        return False
    whole = [name for name, value in tensors.items() if _kind(value) == "whole"]
    if any(name in state and _kind(state[name]) == "real" for name in whole):
        return False
    n_numbers = sum(int(value.numel()) for value in state.values())
    return n_numbers <= 2 * sum(int(value.numel()) for value in tensors.values()) + 10**6


def _build_foreign(card: ForeignCard) -> nn.Module:
    if not _timm().is_model(card.arch):
        problem = _no_arch(card.name, card)
        # Of a Hub model nobody here mistyped it: the repository is wrong, or timm is too old.
        raise ModelError(str(problem)) if card.name.startswith("hf-hub:") else problem
    arguments = dict(card.arch_args)
    if "act_layer" not in arguments and card.activation != "default":
        if card.activation not in ACTIVATIONS:
            raise unknown(f"activation of {card.name}", card.activation, [*ACTIVATIONS, "default"])
        arguments["act_layer"] = ACTIVATIONS[card.activation]
    return _create(card, arguments, dict(card.timm_cfg) or None, pretrained=False)


def _no_arch(who: str, card: ModelCard) -> UsageError:
    return unknown(f"architecture of {who}", card.arch, _timm().list_models())


def _create(
    card: ForeignCard,
    arguments: dict[str, Any],
    config: dict[str, Any] | None,
    *,
    pretrained: bool,
) -> nn.Module:
    if config is not None:
        config = {**config, "architecture": card.arch, "num_classes": card.classes}
    try:
        with growing_within_limits(card.name):
            network: nn.Module = _timm().create_model(
                card.arch,
                pretrained=pretrained,
                pretrained_cfg=config,
                num_classes=card.classes,
                in_chans=card.input.channels,
                **arguments,
            )
    except SatZooError:
        raise
    except Exception as error:  # timm raises whatever the arguments of a stranger lead to
        said = {key: getattr(value, "__name__", value) for key, value in arguments.items()}
        raise ModelError(
            f"{card.name}: timm cannot build {card.arch} with {plain(str(said))}:"
            f" {plain(first_line(error))}; change the arguments or use `evaluate(model)`"
        ) from error
    return network


def _by_timm(card: ForeignCard, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network as timm itself fills it, strictly, whatever older timm called the tensors.

    Raises `ModelError` where it cannot.
    """
    config = {**card.timm_cfg, "state_dict": dict(tensors)}
    return _create(card, dict(card.arch_args), config, pretrained=True)


def _put(net: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load tensors without a `_misfit`; a batch counter that they lack stays as the network has it.

    Inference never reads the counters, and files of other frameworks lack them.
    """
    own = net.state_dict()
    given = {
        name: tensors[name]
        for name in own.keys() & tensors.keys()
        if tensors[name].shape == own[name].shape and _kind(tensors[name]) == _kind(own[name])
    }
    net.load_state_dict({**own, **given})


def _misfit(net: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """The first tensor, by name, that keeps `tensors` from being the state of `net`, or "".

    Batch counters may be missing, or be more than the network has.
    """
    wanted = net.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        problem = _difference(name, tensors.get(name), wanted.get(name))
        if problem and not is_counter(name):
            return problem
    return ""


def _difference(name: str, file: Tensor | None, network: Tensor | None) -> str:
    if file is None:
        return f"the network has the tensor {name!r} and the file does not"
    if network is None:
        return f"the file has the tensor {name!r} and the network does not"
    if network.shape != file.shape:
        return (
            f"tensor {name!r} has shape {tuple(file.shape)}, the network needs"
            f" {tuple(network.shape)}"
        )
    if _kind(network) != _kind(file):
        return (
            f"tensor {name!r} is {file.dtype} and the network's is {network.dtype}: numbers of"
            f" another kind are never turned into weights"
        )
    return ""


def _kind(tensor: Tensor) -> str:
    """Within a kind a number stays what it is, but for its rounding."""
    if tensor.is_floating_point():
        return "real" if tensor.dtype.itemsize > 1 else "real, in need of a scale"
    if tensor.is_complex():
        return "complex"
    return "true or false" if str(tensor.dtype) == "torch.bool" else "whole"
