"""Which model is meant, and the way from it to a network: by name, by Python, or in memory.

Nothing is built, and no weight file is read, before `load`. No torch at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eval.errors import ModelError, UsageError, first_line
from eval.factory import make_model
from eval.files.paths import AnyPath
from zoo.cards import ForeignCard, InputSpec, ModelCard
from zoo.foreign.stated import Stated, resizing
from zoo.pictures import Selection, no_data
from zoo.wanted import Wanted, wanted

if TYPE_CHECKING:
    from torch import nn

    from eval.data import ImageSet
    from eval.described import Source
    from eval.functions import ModelLike

_FIXED = {"digits": (1, 8), "cifar10": (3, 32), "cifar10-jpeg": (3, 32)}
"""Channels and edge of the pictures of data sets in which all have one size."""

_FACTORY = "`factory`"
_OWN = "a model of your own"


@dataclass(frozen=True)
class Loaded:
    """A model ready to be attacked, where its weights came from, what it is, and its file's digest.

    file_sha256: None where the model did not come from one file.
    """

    model: nn.Module
    source: Source
    card: ModelCard
    file_sha256: str | None = None


@dataclass(frozen=True)
class Named:
    """A model by its name: of the zoo, of the Hub, or a file."""

    card: ModelCard
    wanted: Wanted

    def load(self, device: str) -> Loaded:
        """Build it on `device` and fill it; raises as `zoo.load` does."""
        from eval.checks import usable_device
        from zoo.loading import load_wanted

        usable_device(device)
        ours = load_wanted(self.wanted, device=device)
        return Loaded(ours, ours.source or "factory", ours.card, ours.file_sha256)


@dataclass(frozen=True)
class Made:
    """A model that the user's Python makes, "MODULE:FUNCTION" and its options."""

    card: ModelCard
    factory: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self, device: str) -> Loaded:
        """Make it and look at it on `device`; raises as `make_model` does."""
        from eval.checks import usable_device

        usable_device(device)
        return _own(make_model(self.factory, self.options), self.card, device)


@dataclass(frozen=True)
class Given:
    """A model in memory. is_own: the user's, else a `ZooModel` as it was loaded."""

    card: ModelCard
    module: nn.Module
    is_own: bool = True

    def load(self, device: str) -> Loaded:
        """Look at it on `device`. Raises `ModelError` for one that cannot be measured."""
        from eval.checks import check_model, usable_device
        from zoo.model import ZooModel

        usable_device(device)
        # Before the first pass, which would change the statistics of a model in train mode.
        check_model(self.module, self.card.name)
        if self.is_own or not isinstance(self.module, ZooModel):
            return _own(self.module, self.card, device)
        ours = self.module
        if not ours.is_as_loaded():
            raise ModelError(
                f"this model is not {self.card.name} as it was loaded (its weights, modules,"
                " hooks or forward are others): give a name= to measure it as a model of your own"
            )
        return Loaded(ours, ours.source or "factory", ours.card, ours.file_sha256)


Choice = Named | Made | Given
"""The model of an evaluation."""


def choose(
    model: AnyPath | ModelLike | Choice,
    stated: Stated | None = None,
    *,
    name: str | None = None,
    weights: AnyPath | None = None,
    channels: int | None = None,
    images: Selection | ImageSet,
) -> Choice:
    """The model that `model` and what is said of it mean; see `zoo.evaluate` for each.

    model: as there; a `Choice` is returned as it is. images: what it will be measured on, since
    that says what own models take.
    Raises `UsageError` for what cannot be or is not said, and as `zoo.wanted.wanted`.
    """
    stated = stated or Stated()
    if isinstance(model, Choice):
        stated.refuse(tuple(stated.said()), f"{model.card.name} was chosen already")
        for what, value in (("name", name), ("weights", weights), ("channels", channels)):
            if value is not None:
                raise UsageError(
                    f"`{what}` {value}: {model.card.name} was chosen already; leave it out"
                )
        return model
    if not isinstance(model, str | os.PathLike):
        return _given(model, stated, name, weights, channels, images)
    if name is not None:
        raise UsageError(
            f"name {name!r} is for a model of your own: {model} has its name, leave it out"
        )
    if channels is not None:
        raise UsageError(f"`channels` {channels} is for `factory`: of other models mean says them")
    found = wanted(os.fspath(model), stated, weights=weights)
    _demand_data(found.card, images)
    return Named(found.card, found)


def choose_factory(
    factory: str,
    options: Mapping[str, Any],
    stated: Stated,
    *,
    name: str | None = None,
    weights: AnyPath | None = None,
    channels: int | None = None,
    images: Selection,
) -> Choice:
    """The model that `factory` makes, for `images`. Raises `UsageError` for what cannot be."""
    if weights is not None:
        raise UsageError(f"`weights` {weights}: a `factory` loads its own weights")
    card = _own_card(_FACTORY, name or factory, stated, channels, images.data)
    return Made(card, factory, options)


def _given(
    model: ModelLike,
    stated: Stated,
    name: str | None,
    weights: AnyPath | None,
    channels: int | None,
    images: Selection | ImageSet,
) -> Choice:
    from torch import nn

    from eval.functions import as_module, function_name
    from zoo.model import ZooModel

    who = name or function_name(model)
    if not isinstance(model, nn.Module) and not callable(model) and not isinstance(model, Mapping):
        raise UsageError(
            f"model is a {type(model).__name__}: give a name of zoo.list_models(),"
            ' "hf-hub:ORG/NAME", a file that ends in .safetensors, or a torch.nn.Module'
        )
    model = as_module(model)
    if weights is not None:
        raise UsageError(f"`weights` {weights}: a model in memory has its weights; leave it out")
    if not isinstance(model, ZooModel):
        if isinstance(images, Selection):
            return Given(_own_card(_OWN, who, stated, channels, images.data), model)
        return Given(_card_for(images, who, stated, channels), model)
    info = model.card
    if channels is not None:
        raise UsageError(f"`channels` {channels}: {info.name} was loaded, and its card says this")
    stated.refuse(tuple(stated.said()), f"{info.name} was loaded, and its card says this")
    _demand_data(info, images)
    if name is None:
        return Given(info, model, is_own=False)
    return Given(info.model_copy(update={"name": name}), model)


def _demand_data(info: ModelCard, images: Selection | ImageSet) -> None:
    if not info.dataset and isinstance(images, Selection) and images.data is None:
        raise no_data(info.name)


def _own_card(
    who: str, name: str, stated: Stated, channels: int | None, data: AnyPath | None
) -> ForeignCard:
    """What is known of a model that is the user's own, before it was looked at."""
    _refuse_parts("a `factory`" if who == _FACTORY else who, stated)
    if data is None:
        raise no_data(who)
    fixed, size = _FIXED.get(data, (3, None)) if isinstance(data, str) else (3, None)
    size = stated.size or size
    if size is None:
        its = "the model of `factory`" if who == _FACTORY else who
        raise UsageError(
            f"`data` {data} has pictures of many sizes and nobody says which one {its} takes:"
            " state `size=224` `interpolation='bicubic'` `crop_pct=0.875`"
        )
    channels = channels or fixed
    if channels not in {1, 3}:
        raise UsageError(f"`channels` {channels} is not possible: pictures have 1 or 3")
    return _foreign(name, channels, size, **resizing(stated.said(), who))


def _card_for(images: ImageSet, name: str, stated: Stated, channels: int | None) -> ForeignCard:
    """Of an own model that takes these images, which nothing needs to be said about."""
    _refuse_parts(_OWN, stated)
    _, n_channels, height, width = images.batch([0]).x.shape
    if height != width:
        raise UsageError(
            f"the images of {images.name} are {height} x {width} and not square: measure"
            f" {name} with eval.evaluate, which needs no card"
        )
    if channels is not None or stated.said():
        raise UsageError(
            f"size, channels, interpolation or crop_pct of {name} beside images=: these are made"
            " to fit already; leave it out"
        )
    return _foreign(name, n_channels, height)


def _refuse_parts(who: str, stated: Stated) -> None:
    stated.refuse(
        ("arch", "arch_args", "activation", "n_classes", "mean", "std", "strip_prefix"),
        f"{who} makes the whole model, which takes images in [0, 1] (normalisation inside)",
    )


def _foreign(name: str, channels: int, size: int, **how: Any) -> ForeignCard:
    unit = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    spec = InputSpec(channels=channels, size=size, **unit, **how)
    return ForeignCard(name=name, arch="factory", classes=0, input=spec)


def _own(model: nn.Module, card: ModelCard, device: str) -> Loaded:
    from eval.checks import usable_device
    from eval.engine.borrowed import borrowed

    with borrowed(model, usable_device(device)):  # it may be the caller's
        found = {
            "classes": _count_classes(model, card, device),
            "parameters": sum(p.numel() for p in model.parameters()),
        }
    return Loaded(model, "factory", card.model_copy(update=found))


def _count_classes(model: nn.Module, card: ModelCard, device: str) -> int:
    """How many logits the model returns for one grey image of the size that its card says."""
    import torch

    from eval.checks import check_logits
    from eval.engine.classifier import logits_of, where_logits_are
    from eval.engine.contract import own_dtype

    shape = (1, card.input.channels, card.input.size, card.input.size)
    x = torch.full(shape, 0.5, device=device, dtype=own_dtype(model))
    try:
        with torch.no_grad():  # not inference_mode: a cache filled there would know no gradient
            output = model(x)
    except Exception as error:  # a stranger's forward may raise anything
        raise ModelError(
            f"model {card.name!r} fails on an image of shape {shape[1:]}"
            f" ({type(error).__name__}: {first_line(error)}): say another `size` or `channels`, or"
            " mend it"
        ) from error
    logits = logits_of(output, where_logits_are(output, card.name))
    check_logits(logits, 1, card.name)
    return int(logits.shape[1])
