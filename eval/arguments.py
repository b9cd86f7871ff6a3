"""What a sentence calls an argument: the Python one in Python, its option on the command line.

A sentence of the library writes every argument as a mark, in backticks and as in Python:
`data_dir`, `engine='reference'`, `fresh=True`, `read_ids('ids.txt')`. So `str(error)` reads
naturally in Python, a mark survives whatever wraps the sentence, and whoever prints for the command
line passes it through `as_options`. What is no argument of the command line stays as it is.
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePath
from types import MappingProxyType

_LITERAL = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|[^`'"]"""
MARK = re.compile(rf"`([A-Za-z_]\w*)(?:=((?:{_LITERAL})*)|\(((?:{_LITERAL})*)\))?`")
"""`name`, `name=VALUE` or `name(VALUE)`; a backtick inside of a quoted VALUE does not end it."""

_NAMES = MappingProxyType(
    {
        "arch_args": "--arch-option",
        "classes": "--n-classes",
        "dataset": "--data",
        "executor": "--ray",
        "n_decoders": "--decoders",
        "options": "--factory-option",  # of `eval.factory.make_model`
        "overrides": "--set",
    }
)
"""Options that are not called as the argument is."""

_CALLS = MappingProxyType(
    {
        "bundle": "--bundle",
        "evaluate": "--factory",
        "open_data": "--data",
        "read_ids": "--ids",
        "without_unreadable": "--skip-corrupt",
    }
)
"""Functions that an option stands for; what they are given is the option's value."""

_WHOLE = MappingProxyType(
    {
        "classes=FILE": "--classes",  # of images; of `zoo.load` it is a number
        "ema=False": "--no-ema",
        "evaluate(model)": "--factory",
    }
)
"""Marks that mean something else than their parts."""

_SAME = frozenset(
    {
        "activation",
        "allow_partial",
        "allow_probabilities",
        "arch",
        "attack",
        "available",
        "balanced",
        "batch_size",
        "budget",
        "channels",
        "checkpoint",
        "cpus_per_worker",
        "crop_pct",
        "data",
        "data_dir",
        "decoders",
        "device",
        "download",
        "download_to",
        "ema",
        "engine",
        "eps",
        "factory",
        "fresh",
        "gpus_per_worker",
        "ids",
        "interpolation",
        "journal",
        "key",
        "last_iterate",
        "limit_steps",
        "mean",
        "n",
        "n_classes",
        "norm",
        "out",
        "pins",
        "plot",
        "precision",
        "ray",
        "save_adversarial",
        "seed",
        "size",
        "skip_corrupt",
        "std",
        "step_size",
        "strip_prefix",
        "tensorboard",
        "until",
        "weights",
        "workers",
    }
)
"""Arguments whose option has their name, with hyphens."""


def argument(name: str, value: object) -> str:
    """The mark of an argument with a value that is only known at run time."""
    if isinstance(value, PurePath):
        value = str(value)
    return f"`{name}={value!r}`"


def arguments_in(text: str) -> tuple[str, ...]:
    """The names in the marks of a sentence, each once, in their order."""
    return tuple(dict.fromkeys(match[1] for match in MARK.finditer(text)))


def is_known(mark: re.Match[str]) -> bool:
    """Whether a match of `MARK` has an option."""
    return _option(mark) is not None


def as_options(text: str) -> str:
    """A sentence as the command line says it: every mark that has an option becomes it."""
    return MARK.sub(lambda match: _option(match) or match[0], text)


def _option(match: re.Match[str]) -> str | None:
    whole = _WHOLE.get(match[0].strip("`"))
    if whole is not None:
        return whole
    name, value, given = match.groups()
    option = _NAMES.get(name) or (f"--{name.replace('_', '-')}" if name in _SAME else None)
    if given is not None:
        option, value = _CALLS.get(name), given
    return option and _with_value(option, value)


def _with_value(option: str, text: str | None) -> str:
    if not text:
        return option
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text  # a placeholder: FILE
    if value is True:
        return option
    several: list[object] = [value if value != "" else "''"]
    if isinstance(value, dict):
        several = [f"{key}={one}" for key, one in value.items()]
    elif isinstance(value, tuple | list):
        is_text = all(isinstance(one, str) for one in value)
        several = list(value) if is_text else [",".join(map(str, value))]
    return " ".join(f"{option} {one}" for one in several) or option
