"""What a user says of a model that has no card in the zoo. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from pydantic import ValidationError

from eval.arguments import argument
from eval.errors import UsageError
from eval.files.border import plain
from zoo.cards import InputSpec
from zoo.registry import card, own_models

INPUT = ("size", "mean", "std")
"""What of the preprocessing has no default, here or anywhere: it is stated or it is an error."""

_EXAMPLES = {
    "arch": "resnet50",
    "n_classes": 10,
    "size": 224,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}


_OURS = "satzoo_"
_OWN = {"satzoo_efficientnet_": "silu"}
"""What families of ours have by themselves: the paper's EfficientNets are built with Swish. Our
ResNets and ResNeXts have nothing of their own: the activation is what their models differ in. Nor
has an EfficientNet whose models in the zoo differ in it."""


@dataclass(frozen=True)
class Stated:
    """The user's own words on a model; None is not said. See `zoo.load` for each."""

    N_CLASSES: ClassVar[str] = "n_classes"
    """What the function that was called calls this argument; see `ToLoad`."""

    arch: str | None = None
    arch_args: Mapping[str, Any] | None = None
    activation: str | None = None
    n_classes: int | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None
    crop_pct: float | None = None
    dataset: str | None = None
    strip_prefix: str | None = None

    def said(self) -> dict[str, Any]:
        """What was said, by field."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Raises `UsageError` with `why` for the first of `names` that was said."""
        for name in names:
            if name in self.said():
                said = self.N_CLASSES if name == "n_classes" else name
                raise UsageError(f"`{said}` {self.said()[name]}: {why}")

    def demand(self, names: tuple[str, ...], who: str) -> None:
        """Raises `UsageError` that lists those of `names` that were not said; `who` needs them."""
        _demand(self.said(), names, who, self.N_CLASSES)


class ToLoad(Stated):
    """The same as said to `zoo.load`."""

    N_CLASSES: ClassVar[str] = "classes"


def input_spec(stated: Stated, config: Mapping[str, Any], who: str) -> InputSpec:
    """How pictures become input: the user's words, and where there are none the config's.

    config: some of size, mean, std, interpolation, crop_pct, crop_mode. who: for errors.
    Raises `UsageError` for what nobody said and for values that cannot be.
    """
    said = {**config, **stated.said()}
    _demand(said, INPUT, who)
    mean, std = _channels("mean", said["mean"], who), _channels("std", said["std"], who)
    if len(mean) != len(std) or len(mean) not in {1, 3}:
        raise UsageError(
            f"{who}: mean has {len(mean)} and std has {len(std)} values: give one for each channel"
            " of both, 1 or 3"
        )
    if min(std) <= 0:
        raise UsageError(f"{who}: std {std} divides: every value must be above 0")
    size = said["size"]
    if not isinstance(size, int) or size < 1:
        raise UsageError(f"{who}: size {size!r} is not possible: give the edge in pixels")
    return InputSpec(channels=len(mean), size=size, mean=mean, std=std, **resizing(said, who))


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
    used = sorted({one.activation for one in map(card, own_models()) if one.arch == arch})
    if own is None or used not in ([], [own]):
        raise UsageError(
            f"{who}: {arch} has no activation of its own, its models differ in it: state it with"
            f" {argument('activation', used[0] if used else 'silu')}"
            + (f" (models of the zoo with it: {', '.join(used)})" if used else "")
        )
    return own


def resizing(said: Mapping[str, Any], who: str) -> dict[str, Any]:
    """The fields of `InputSpec` that say how a picture of any size is made to fit.

    Empty, for pictures that fit already, where neither interpolation nor crop_pct was said.
    """
    wanted = {k: said[k] for k in ("interpolation", "crop_pct", "crop_mode") if k in said}
    if "interpolation" not in wanted and "crop_pct" not in wanted:
        return {}
    if len(wanted.keys() & {"interpolation", "crop_pct"}) == 1:
        raise UsageError(
            f"{who}: interpolation and crop_pct belong together: state both,"
            " `interpolation='bicubic'` `crop_pct=0.875`"
        )
    fields_ = {"preprocess": "timm-eval", **wanted}
    try:
        InputSpec.model_validate({"size": 1, **fields_})
    except ValidationError as error:
        bad = error.errors()[0]
        where = bad["loc"][0] if bad["loc"] else "preprocessing"
        shown = plain(repr(bad["input"]), 80)
        raise UsageError(f"{who}: {where} {shown} is not possible: {bad['msg']}") from None
    return fields_


def _demand(
    said: Mapping[str, Any], names: tuple[str, ...], who: str, n_classes: str = "n_classes"
) -> None:
    missing = [name for name in names if name not in said]
    if missing:
        called = {"n_classes": n_classes}
        options = " ".join(argument(called.get(name, name), _EXAMPLES[name]) for name in missing)
        raise UsageError(
            f"{who} and nobody says its {', '.join(missing)}: state"
            f" {'them' if len(missing) > 1 else 'it'}, for example {options}"
        )


def _channels(name: str, values: Any, who: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        shown = plain(repr(values), 80)
        raise UsageError(f"{who}: {name} {shown} is not a number for each channel")
    return numbers
