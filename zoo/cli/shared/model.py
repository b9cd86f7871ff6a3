"""The options that say which model a command means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from eval.errors import UsageError
from eval.factory import parse_options
from zoo.choice import Choice, choose, choose_factory
from zoo.cli.shared.completing import complete_models_or_files
from zoo.foreign.stated import Stated
from zoo.pictures import Selection


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
        click.argument("name", required=False, shell_complete=complete_models_or_files),
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


def chosen_model(name: str | None, images: Selection, options: dict[str, Any]) -> Choice:
    """The model that NAME and the options of `model_options` mean.

    options: of the command; those of `model_options` are taken out of it.
    images: as `chosen_images`. Raises `UsageError` for what cannot be or is not said.
    """
    said = _Options(**{one.name: options.pop(one.name) for one in fields(_Options)})
    stated = said.stated()
    if said.factory is not None:
        return choose_factory(
            said.factory,
            parse_options(said.factory_option),
            stated,
            name=name,
            weights=said.weights,
            channels=said.channels,
            images=images,
        )
    if said.factory_option:
        raise UsageError("--factory-option without --factory: name the MODULE:FUNCTION too")
    if name is None:
        raise UsageError(
            "no model is named: give a NAME of sat-zoo list, hf-hub:ORG/NAME,"
            " robustbench:DATA/THREAT/NAME, torchvision:MODEL/WEIGHTS, FILE.safetensors or"
            " --factory MODULE:FUNCTION"
        )
    return choose(name, stated, weights=said.weights, channels=said.channels, images=images)


def _numbers(_: object, option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise UsageError(
            f"--{option.name} {value!r} is no list of numbers: write for example 0.485,0.456,0.406"
        ) from None
