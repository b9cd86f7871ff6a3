"""Which model a name means: of the zoo, of a place of others, or a file that the user describes.

No torch here: there is a card before anything is built, and before weights are looked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from eval.errors import UsageError, unknown
from eval.files.paths import AnyPath, path_of
from zoo.cards import ForeignCard
from zoo.foreign import robustbench, torchvision
from zoo.foreign.config import fetch_config
from zoo.foreign.place import Wanted
from zoo.foreign.stated import INPUT, Stated, activation_of, input_spec
from zoo.hubconfig import card_of_config, read_hub_config
from zoo.registry import card
from zoo.weights.pickled import refuse_pickle

__all__ = ["HUB", "PLACES", "Wanted", "wanted"]

HUB = "hf-hub:"
_HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w.][\w./-]*))?", re.ASCII)
_ARRAYS = (".npz", ".h5")
_PLACE = re.compile(r"[a-z][a-z0-9-]*:(?![\\/])", re.ASCII)


def wanted(
    name: AnyPath, stated: Stated | None = None, *, weights: AnyPath | None = None
) -> Wanted:
    """The model `name`: a name of the zoo, one of a place of `PLACES`, or a .safetensors file.

    stated: what the user says of a model that the zoo does not know. Raises as `zoo.load` does.
    """
    if not isinstance(name, str | os.PathLike):
        raise UsageError(
            f"a model is named by a text or a path, and this is a {type(name).__name__}: give for"
            " example 'resnet8-silu-sat-digits'"
        )
    stated, name = stated or Stated(), os.fspath(name)
    for prefix, found_there in PLACES.items():
        if name.startswith(prefix):
            _refuse_weights(name, weights)
            return found_there(name, stated)
    if name.endswith(".safetensors"):
        _refuse_weights(name, weights)
        return _file(path_of(name, "model"), stated)
    _refuse_strangers(name)
    info = card(name)
    stated.refuse(
        tuple(field for field in stated.said() if field not in ("dataset", "strip_prefix")),
        f"{name} is a model of the zoo, and its card says this",
    )
    if weights is None:
        stated.refuse(("strip_prefix",), f"the weights of {name} have none: name a `weights=FILE`")
    return Wanted(info, path_of(weights, "weights"), stated.strip_prefix)


def _refuse_weights(name: str, weights: AnyPath | None) -> None:
    if weights is not None:
        raise UsageError(f"`weights` {weights}: {name} is a place of weights itself; name one only")


def _refuse_strangers(name: str) -> None:
    """Raises `UsageError` for what looks like a file or a repository but is not written as one."""
    refuse_pickle(name)
    if name.lower().endswith(_ARRAYS):
        raise UsageError(
            f"{name} is no safetensors file, and no other format is opened: save the state dict"
            " with safetensors.torch.save_file"
        )
    if place := _PLACE.match(name):
        raise unknown("place of models", place[0], PLACES, see=f"in {name}")
    if "/" in name or "\\" in name or ":" in name:
        raise UsageError(
            f"{name!r} is no model: write hf-hub:ORG/NAME for a model of the Hugging Face Hub,"
            " robustbench:DATA/THREAT/NAME or torchvision:MODEL/WEIGHTS for one of those packages,"
            " or a file that ends in .safetensors"
        )


def _file(path: Path, stated: Stated) -> Wanted:
    if not path.is_file():
        raise UsageError(f"{path} is not a file: name a safetensors file that is there")
    who = f"{path} holds only tensors"
    stated.demand(("arch", "n_classes", *INPUT), who)
    if not stated.arch or not stated.n_classes or stated.n_classes < 2:
        raise UsageError(
            f"{path}: arch {stated.arch!r} and {stated.n_classes} classes are not possible: state a"
            " network of timm and 2 or more classes"
        )
    info = ForeignCard(
        name=path.name,
        arch=stated.arch,
        arch_args=dict(stated.arch_args or {}),
        activation=activation_of(stated, str(path)),
        dataset=stated.dataset or "",
        classes=stated.n_classes,
        input=input_spec(stated, {}, str(path)),
    )
    return Wanted(info, path, stated.strip_prefix)


def _hub(name: str, stated: Stated) -> Wanted:
    """Of hf-hub:ORG/NAME[@REVISION]; its card is named with the commit that the revision is now."""
    stated.refuse(
        ("arch", "arch_args", "activation", "n_classes"), f"the config.json of {name} says it"
    )
    repo, revision = _hub_name(name)
    path, at = fetch_config(repo, revision or "main")
    exact = f"{HUB}{at.repo}@{at.commit}"
    info = card_of_config(read_hub_config(path, exact), stated, exact)
    return Wanted(info, at, stated.strip_prefix)


def _hub_name(name: str) -> tuple[str, str | None]:
    match = _HUB_NAME.fullmatch(name.removeprefix(HUB))
    if match is None or ".." in name:
        raise UsageError(
            f"{name!r} names no repository: write hf-hub:ORG/NAME, or hf-hub:ORG/NAME@REVISION"
        )
    return match[1], match[2]


PLACES: Mapping[str, Callable[[str, Stated], Wanted]] = MappingProxyType(
    {HUB: _hub, robustbench.PREFIX: robustbench.wanted, torchvision.PREFIX: torchvision.wanted}
)
"""Where models of others are found by name: what stands before it, and what makes a card of it."""
