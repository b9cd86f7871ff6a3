"""Networks of models that are not of the zoo, built by timm and filled with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import timm
from torch import nn

from eval.errors import ModelError, unknown
from zoo import archs
from zoo.activations import ACTIVATIONS
from zoo.filling import misfit, put, stripped, unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zoo.cards import ForeignCard
    from zoo.weight_file import Weights

__all__ = ["build", "build_filled"]


def build(info: ForeignCard) -> nn.Module:
    """The bare network of a card, freshly initialised.

    Raises `UsageError` for an architecture or an activation that does not exist, `ModelError`
    where timm cannot build it so, or where a config.json named that architecture.
    """
    archs.register()
    if not timm.is_model(info.arch):
        problem = unknown(f"architecture of {info.name}", info.arch, timm.list_models())
        # Of a Hub model nobody here mistyped it: the repository is wrong, or timm is too old.
        raise ModelError(str(problem)) if info.name.startswith("hf-hub:") else problem
    arguments = dict(info.arch_args)
    if "act_layer" not in arguments and info.activation != "default":
        if info.activation not in ACTIVATIONS:
            raise unknown(f"activation of {info.name}", info.activation, [*ACTIVATIONS, "default"])
        arguments["act_layer"] = ACTIVATIONS[info.activation]
    return _create(info, arguments, dict(info.timm_cfg) or None, pretrained=False)


def build_filled(info: ForeignCard, weights: Weights, strip_prefix: str | None = None) -> nn.Module:
    """The network with the weights of the file, every tensor of which must have its place.

    Raises as `build`, and `WeightsMismatch` as `zoo.filling.fill` does.
    """
    net = build(info)
    tensors = stripped(net, info.name, weights, strip_prefix)
    problem = misfit(net, tensors)
    if not problem:
        put(net, tensors)
        return net
    if info.timm_cfg:
        # Files of older timm have other names for some tensors; timm knows how they changed.
        converted = _by_timm(info, tensors)
        if converted is not None:
            return converted
    raise unfit(net, info.name, weights, problem, strip_prefix)


def _by_timm(info: ForeignCard, tensors: Mapping[str, Tensor]) -> nn.Module | None:
    """The network as timm fills it from the same tensors, strictly, or None where it cannot."""
    config = {**info.timm_cfg, "state_dict": dict(tensors)}
    try:
        return _create(info, dict(info.arch_args), config, pretrained=True)
    except ModelError:
        return None


def _create(
    info: ForeignCard,
    arguments: dict[str, Any],
    config: dict[str, Any] | None,
    *,
    pretrained: bool,
) -> nn.Module:
    if config is not None:
        config = {**config, "architecture": info.arch, "num_classes": info.classes}
    try:
        network: nn.Module = timm.create_model(
            info.arch,
            pretrained=pretrained,
            pretrained_cfg=config,
            num_classes=info.classes,
            in_chans=info.input.channels,
            **arguments,
        )
    except Exception as error:  # timm raises whatever the arguments of a stranger lead to
        said = {key: getattr(value, "__name__", value) for key, value in arguments.items()}
        raise ModelError(
            f"{info.name}: timm cannot build {info.arch} with {said}: {error}; change the arguments"
            " or use `evaluate(model)`"
        ) from error
    return network
