"""The options that say which model a command means, and the model that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.errors import ModelError, UsageError
from eval.factory import make_model, parse_options
from zoo.cards import ForeignCard, InputSpec, ModelCard
from zoo.foreign import Wanted, wanted
from zoo.stated import Stated, resizing

if TYPE_CHECKING:
    from torch import nn

    from eval.evaluation import Source

_FIXED = {"digits": (1, 8), "cifar10": (3, 32), "cifar10-jpeg": (3, 32)}
"""Channels and edge of the pictures of data sets in which all have one size."""


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
class Choice:
    """The model of a command. Nothing is built, and no weight file is read, before `load`.

    factory, options: for a model that the user's Python makes, which is not `wanted` of us.
    """

    card: ModelCard
    wanted: Wanted | None = None
    factory: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self, device: str) -> Loaded:
        """Build the model on `device` and fill it; raises as `zoo.load` and `make_model` do."""
        from eval.checks import usable_device

        place = usable_device(device)
        if self.wanted is None:
            model = make_model(self.factory, self.options).to(place)
            card = self.card.model_copy(
                update={
                    "classes": _count_classes(model, self.card, device),
                    "parameters": sum(p.numel() for p in model.parameters()),
                }
            )
            return Loaded(model, "factory", card)
        from zoo.loading import load_wanted

        ours = load_wanted(self.wanted, device=device)
        return Loaded(ours, ours.source or "factory", ours.card, ours.file_sha256)


def _count_classes(model: nn.Module, card: ModelCard, device: str) -> int:
    """How many logits the model returns for one grey image of the size that its card says."""
    import torch

    from eval.checks import check_logits

    shape = (1, card.input.channels, card.input.size, card.input.size)
    try:
        with torch.inference_mode():
            logits = model(torch.full(shape, 0.5, device=device))
    except Exception as error:  # a stranger's forward may raise anything
        raise ModelError(
            f"model {card.name!r} fails on an image of shape {shape[1:]}"
            f" ({type(error).__name__}: {error}): say another --size or --channels, or mend it"
        ) from error
    if not isinstance(logits, torch.Tensor):
        raise ModelError(
            f"model {card.name!r} returned a {type(logits).__name__}: it must return logits of"
            " shape (images, classes)"
        )
    check_logits(logits, 1, card.name)
    return int(logits.shape[1])


@dataclass(frozen=True)
class _Options:
    """What `model_options` collects, by the names of the command's parameters."""

    weights: Path | None
    arch: str | None
    arch_option: tuple[str, ...]
    activation: str | None
    n_classes: int | None
    size: int | None
    channels: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    interpolation: str | None
    crop_pct: float | None
    strip_prefix: str | None
    factory: str | None
    factory_option: tuple[str, ...]

    def stated(self) -> Stated:
        arch_args = parse_options(self.arch_option, "--arch-option")
        same = {
            f.name: getattr(self, f.name)
            for f in fields(Stated)
            if f.name not in {"arch_args", "dataset"}
        }
        return Stated(arch_args=arch_args or None, **same)


prefix_option = click.option(
    "--strip-prefix",
    metavar="PREFIX",
    help="Of a file: take the tensors whose names begin so, as module. or ema., without it; '' for"
    " those that have none.",
)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options that `chosen_model` understands."""
    options = (
        click.argument("name", required=False),
        click.option(
            "--weights", type=click.Path(path_type=Path), help="A safetensors file to use."
        ),
        click.option("--arch", help="Of a file: a network of timm's, as resnet50."),
        click.option("--arch-option", multiple=True, metavar="KEY=VALUE", help="For --arch."),
        click.option("--activation", help="Of a file: as silu.  [default: the network's own]"),
        click.option("--n-classes", type=click.IntRange(2), help="Of a file."),
        click.option("--size", type=click.IntRange(1), help="Edge of the input in pixels."),
        click.option("--channels", type=click.IntRange(1), help="Of the input of a --factory."),
        click.option("--mean", callback=_numbers, help="Of the normalisation: R,G,B in [0, 1]."),
        click.option("--std", callback=_numbers, help="Of the normalisation: R,G,B."),
        click.option("--interpolation", help="How larger pictures are resized, as bicubic."),
        click.option("--crop-pct", type=float, help="Share of the resized picture that is kept."),
        prefix_option,
        click.option(
            "--factory", metavar="MODULE:FUNCTION", help="Python that makes the model to measure."
        ),
        click.option("--factory-option", multiple=True, metavar="KEY=VALUE", help="For it."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_model(name: str | None, data_name: str | None, options: dict[str, Any]) -> Choice:
    """The model that NAME and the options of `model_options` mean.

    options: of the command; those of `model_options` are taken out of it.
    data_name: as --data says it. Raises `UsageError` for what cannot be or is not said.
    """
    said = _Options(**{one.name: options.pop(one.name) for one in fields(_Options)})
    if said.factory is not None:
        return _of_factory(name, said, data_name)
    if said.factory_option:
        raise UsageError("--factory-option without --factory: name the MODULE:FUNCTION too")
    if said.channels is not None:
        raise UsageError(
            f"--channels {said.channels} is for --factory: of other models mean says them"
        )
    if name is None:
        raise UsageError(
            "no model is named: give a NAME of sat-zoo list, hf-hub:ORG/NAME, FILE.safetensors or"
            " --factory MODULE:FUNCTION"
        )
    found = wanted(name, said.stated(), weights=said.weights)
    if not found.card.dataset and data_name is None:
        raise UsageError(_no_data(found.card.name))
    return Choice(found.card, found)


def _of_factory(name: str | None, said: _Options, data_name: str | None) -> Choice:
    assert said.factory is not None
    stated = said.stated()
    if said.weights is not None:
        raise UsageError(f"--weights {said.weights}: a --factory loads its own weights")
    stated.refuse(
        ("arch", "arch_args", "activation", "n_classes", "mean", "std", "strip_prefix"),
        "a --factory makes the whole model, which takes images in [0, 1] (normalisation inside)",
    )
    if data_name is None:
        raise UsageError(_no_data("--factory"))
    channels, size = _FIXED.get(data_name, (3, None))
    size = said.size or size
    if size is None:
        raise UsageError(
            f"--data {data_name} has pictures of many sizes and nobody says which one the model of"
            " --factory takes: state --size 224 --interpolation bicubic --crop-pct 0.875"
        )
    channels = said.channels or channels
    if channels not in {1, 3}:
        raise UsageError(f"--channels {channels} is not possible: pictures have 1 or 3")
    card = ForeignCard(
        name=name or said.factory,
        arch="factory",
        classes=0,
        input=InputSpec(
            channels=channels,
            size=size,
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
            **resizing(stated.said(), "--factory"),
        ),
    )
    return Choice(card, None, said.factory, parse_options(said.factory_option))


def _no_data(who: str) -> str:
    return f"{who} has no data set of its own: say which one with --data, for example cifar10"


def _numbers(_: object, option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise UsageError(
            f"--{option.name} {value!r} is no list of numbers: write for example 0.485,0.456,0.406"
        ) from None
