"""A stranger's `config.json`: what it says of a network, and what it must not ask for. No torch.

Whatever stands in it is read as data. No code of a repository runs, and nothing outside of the
repository is loaded: places of other weights (`url`, `hf_hub_id`, `custom_load`) are passed over.
Source for the fields: timm 1.0, `timm/models/_hub.py` and `timm/models/_pretrained.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.errors import ModelError, first_fault
from eval.files.border import border, plain, read_bytes
from eval.files.limits import check
from eval.files.record import parse_json
from zoo.cards import ForeignCard, ModelCard
from zoo.foreign.described import check_arguments, check_preprocessing, check_texts
from zoo.foreign.stated import Stated, input_spec

REMOTE_CODE = frozenset({"auto_map", "custom_code", "custom_pipelines", "trust_remote_code"})
# Arguments of timm.create_model that load other weights or build no classifier.
_REFUSED = frozenset(
    (
        *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_filter_fn"),
        *("pretrained_model_args", "pretrained_strict", "checkpoint_path", "cache_dir"),
        *("features_only", "feature_cls", "feature_cfg", "out_indices"),
        *("scriptable", "exportable", "no_jit", "device", "dtype"),
    )
)
# Of the pretrained_cfg: what timm needs to build the network and to fit weights of older layout.
_OF_TIMM = (
    "input_size",
    "num_classes",
    "fixed_input_size",
    "pool_size",
    "first_conv",
    "classifier",
    "label_offset",
)
_PLACES = ("file", "hf_hub_filename")
_EPS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12}|/[0-9]{1,9})?", re.ASCII)
_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)


def read_hub_config(path: Path, who: str) -> dict[str, Any]:
    """The content of a config.json, free of requests for remote code and of paths.

    Raises `ModelError` for one that is not JSON or asks for what no config may.
    """
    with border(f"{who}: config.json", ModelError, "it must hold one JSON object"):
        config = _parsed(read_bytes(path, "config_bytes"))
    if not isinstance(config, dict):
        raise ModelError(f"{who}: config.json is no JSON object, so it describes no model")
    for key, value in _entries(config):
        if key in REMOTE_CODE and value:
            raise ModelError(
                f"{who}: config.json asks for code of its repository to be run ({key}), which is"
                " never done: build the model in your own code and use `evaluate(model)`"
            )
        if key in _PLACES and isinstance(value, str):
            _check_place(key, value, who)
    return config


def _parsed(content: bytes) -> Any:
    check("config_items", content.count(b",") + content.count(b"["), "values")
    return parse_json(content)


def card_of_config(config: Mapping[str, Any], stated: Stated, who: str) -> ForeignCard:
    """The card of the model that a config.json describes; `who` becomes its name.

    Raises `ModelError` for a config that names no network we can build, `UsageError` where the
    preprocessing is not said by anybody.
    """
    section = config.get("sat_zoo")
    if isinstance(section, dict) and "card" in section:
        return _our_card(section["card"], stated, who)
    arch = _architecture(config.get("architecture"), who)
    data = config.get("pretrained_cfg", config)
    if not isinstance(data, dict):
        raise ModelError(f"{who}: pretrained_cfg in config.json is no JSON object")
    args = _arguments(config.get("model_args") or {}, who)
    channels, size = _input_size(data, args, who)
    check_preprocessing(data, who)
    said = {k: data[k] for k in ("mean", "std", "interpolation", "crop_pct", "crop_mode")
            if data.get(k)}  # fmt: skip
    if size is not None:
        said["size"] = size
    spec = input_spec(stated, said, f"{who}: config.json")
    if channels not in {None, spec.channels}:
        raise ModelError(
            f"{who}: config.json describes {channels} channels, but mean has {spec.channels} values"
        )
    return ForeignCard(
        name=who,
        arch=arch,
        arch_args={k: v for k, v in args.items() if k not in {"num_classes", "in_chans"}},
        activation=str(args.get("act_layer") or "default"),
        dataset=stated.dataset or "",
        classes=_n_classes(config, data, args, who),
        input=spec,
        timm_cfg={key: data[key] for key in _OF_TIMM if data.get(key) is not None},
    )


def _our_card(said: Any, stated: Stated, who: str) -> ForeignCard:
    """A model that `sat-zoo push` published: its card says all, in our own words."""
    stated.refuse(
        ("size", "mean", "std", "interpolation", "crop_pct"), f"the card of {who} says it already"
    )
    check_texts(said, who)
    try:
        info = ModelCard.model_validate(said)
    except ValidationError as error:
        fault = plain(first_fault(error, "all of it"))
        raise ModelError(f"{who}: the card in config.json is invalid: {fault}") from error
    _architecture(info.arch, who)
    _arguments(info.arch_args, who)
    _check_card(info, who)
    own = info.model_dump(exclude={"name", "family", "bundled", "official", "recipe", "dataset"})
    return ForeignCard(name=who, dataset=stated.dataset or info.dataset, **own)


def _check_card(info: ModelCard, who: str) -> None:
    """The ranges of a stranger's card are those of any config."""
    spec = info.input
    shape = [spec.channels, spec.size, spec.size]
    levels = {"mean": list(spec.mean), "std": list(spec.std)}
    check_preprocessing({"input_size": shape, "num_classes": info.classes, **levels}, who)
    threats = [info.threat, *(claim.threat for claim in info.claims)]
    wrong = next((one.eps for one in threats if one and not _EPS.fullmatch(one.eps)), None)
    if wrong is not None or info.classes < 2 or len(spec.mean) != spec.channels:
        said = f"eps {_shown(wrong)}" if wrong is not None else f"{info.classes} classes"
        raise ModelError(f"{who}: the card in config.json is invalid: {said}, of {_shown(shape)}")
    if len(spec.std) != spec.channels or min(spec.std) <= 0:
        raise ModelError(f"{who}: the card in config.json is invalid: std {_shown(spec.std)}")


def _shown(value: object) -> str:
    return plain(repr(value), 80)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every object in a JSON value, with what stands there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def _check_place(key: str, value: str, who: str) -> None:
    parts = value.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise ModelError(
            f"{who}: config.json names a file outside of its repository ({key} {_shown(value)});"
            " only config.json and model.safetensors of the repository itself are read"
        )


def _architecture(name: Any, who: str) -> str:
    if name is None:
        raise ModelError(
            f"{who}: config.json has no 'architecture' of timm, nor a card of sat-zoo: build the"
            " model in your own code and use `evaluate(model)`"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ModelError(
            f"{who}: config.json: {_shown(name)} is no name of an architecture of timm"
        )
    return name


def _arguments(args: Any, who: str) -> dict[str, Any]:
    if not isinstance(args, dict):
        raise ModelError(f"{who}: model_args in config.json is no JSON object")
    for key, value in args.items():
        if key in _REFUSED:
            raise ModelError(
                f"{who}: config.json sets the argument {_shown(key)}, which may load something else"
                " than the repository's own weights or build no classifier; it is refused"
            )
        for text in _texts(value):
            if text and not _NAME.fullmatch(text):
                raise ModelError(
                    f"{who}: config.json gives the argument {plain(key, 40)} the value"
                    f" {_shown(text)}, which is no name; paths are refused"
                )
    check_arguments(args, who)
    return dict(args)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


def _input_size(
    data: Mapping[str, Any], args: Mapping[str, Any], who: str
) -> tuple[int | None, int | None]:
    """Channels and edge of the input, None where the config does not say them."""
    channels = args.get("in_chans")
    shape = data.get("input_size")
    if shape is None:
        return channels, None
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(n) is int for n in shape)):
        raise ModelError(
            f"{who}: input_size {_shown(shape)} in config.json is not [channels, H, W]"
        )
    if shape[1] != shape[2]:
        raise ModelError(
            f"{who}: input_size {_shown(shape)} in config.json is not square: only square inputs"
            " are supported"
        )
    return shape[0] if channels is None else channels, shape[1]


def _n_classes(
    config: Mapping[str, Any], data: Mapping[str, Any], args: Mapping[str, Any], who: str
) -> int:
    places = (args.get("num_classes"), config.get("num_classes"), data.get("num_classes"))
    said = next((n for n in places if n is not None), None)
    if type(said) is not int or said < 2:
        raise ModelError(
            f"{who}: config.json says num_classes {_shown(said)}; a classifier of at least 2"
            " classes is needed"
        )
    return said
