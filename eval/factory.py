"""Models that a user's own Python makes: "MODULE:FUNCTION" and its options to a module."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import ModelError, SatZooError, UsageError

if TYPE_CHECKING:
    from torch import nn


def parse_options(pairs: Sequence[str], option: str = "`options`") -> dict[str, Any]:
    """Keyword arguments from "KEY=VALUE": a value is JSON where it parses as JSON, else text.

    Raises `UsageError`, naming `option`, for a text that is no such pair or a key given twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"{option} {pair!r} is not KEY=VALUE: write for example width=16")
        if key in values:
            raise UsageError(f"{option} {key} is given twice: give it once")
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    return values


def make_model(
    factory: str, options: Mapping[str, Any] | None = None, *, name: str | None = None
) -> nn.Module:
    """Call MODULE:FUNCTION with `options`; the module in eval mode, its parameters frozen.

    factory: as "package.module:function"; modules of the current directory are found too.
    name: given to the function as its only positional argument, if at all.

    Raises `UsageError` if there is no such function or it makes no `torch.nn.Module`,
    `ModelError` for an exception in the user's code.
    """
    function = _function(factory)
    try:
        model = function(*([] if name is None else [name]), **(options or {}))
    except SatZooError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's code may raise
        raise ModelError(_failed(factory, "failed", error)) from error

    from torch import nn

    if not isinstance(model, nn.Module):
        raise UsageError(
            f"`factory` {factory!r} made a {type(model).__name__}, no torch.nn.Module: return the"
            " model itself"
        )
    return model.eval().requires_grad_(False)


def _function(factory: str) -> Callable[..., Any]:
    module_name, colon, path = factory.partition(":")
    if not colon or not all(
        part.isidentifier() for part in [*module_name.split("."), *path.split(".")]
    ):
        raise UsageError(
            f"`factory` {factory!r} is not MODULE:FUNCTION: write for example mymodels.nets:build"
        )
    found: Any = _module(factory, module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(
                f"`factory` {factory!r}: the module {module_name} has no {path}: name a function"
                f" of {getattr(sys.modules[module_name], '__file__', module_name)}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"`factory` {factory!r}: {path} cannot be called: name a function")
    function: Callable[..., Any] = found
    return function


def _module(factory: str, name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        # As `python -m` does, and for as long: the model may import more when it is called.
        sys.path.insert(0, here)
    try:
        module = import_module(name)
    except (Exception, SystemExit) as error:  # importing runs a stranger's code
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            raise _no_module(factory, missing) from error
        raise ModelError(_failed(factory, f"cannot be imported: {name} failed", error)) from error
    spec = getattr(module, "__spec__", None)  # a module may put anything in its own place
    if spec is not None and spec.origin is None:
        raise _no_module(factory, name)  # a folder of that name, which Python takes for a package
    return module


def _no_module(factory: str, name: str) -> UsageError:
    return UsageError(
        f"`factory` {factory!r}: there is no module {name}: name one that is installed or lies in"
        " the current directory"
    )


def _failed(factory: str, what: str, error: BaseException) -> str:
    text = " ".join(str(error).split())
    shown = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (
        f"`factory` {factory!r} {what} with {shown}; see where with: sat-zoo --debug, or call it"
        " in Python"
    )
