"""What can be seen of what code computes: lines that differ where two functions differ.

A journal that took one network for another would hand out the verdicts of the other, so whatever a
forward can reach is looked at: its code, closures, the globals that it names, settings of any kind.
"""

from __future__ import annotations

import argparse
import dis
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

KNOWN = (
    frozenset({"builtins", "numpy", "pydantic", "timm", "torch", "torchvision"})
    | sys.stdlib_module_names
)
"""Packages whose code is one for one version of them; of what is theirs, the name says it all."""

PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_BAGS = (argparse.Namespace, types.SimpleNamespace)
_LOOSE = (functools.partial, types.MethodType, Mapping, list, tuple, set, frozenset, *_BAGS)
_CODE = (types.FunctionType, types.ModuleType, type, functools.partial)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Digest over every tensor: its name, dtype, shape and bytes, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # numpy has no bfloat16, so the bytes are read through a view as uint8.
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def parts_of(function: object) -> Iterator[object]:
    """What a function reaches: by closure, globals, defaults, bound arguments, attributes."""
    if isinstance(function, functools.partial):
        yield from (function.func, *function.args, *function.keywords.values())
    elif isinstance(function, types.MethodType):
        yield function.__self__
        yield function.__func__
    elif isinstance(function, types.FunctionType):
        yield from _closure(function)
        for name in global_names(function.__code__):
            if name in function.__globals__:
                yield function.__globals__[name]
        yield from vars(function).values()  # as what functools.wraps has wrapped
    elif isinstance(function, list | tuple | set | frozenset):
        yield from function
    elif isinstance(function, Mapping):
        yield from function.values()
    elif hasattr(function, "__dict__") and not isinstance(function, type | types.ModuleType):
        yield from vars(function).values()
        if callable(function):
            yield vars(type(function)).get("__call__")


def global_names(code: types.CodeType) -> Iterator[str]:
    """The globals that code asks for by name, that of the functions in it too."""
    for one in dis.get_instructions(code):  # co_names has those of attributes too
        if one.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield str(one.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from global_names(constant)


class Seen:
    """A look at some code.

    on_module: lines of a network that is met on the way; default none, for whom its weights say it.
    files: source files that were met, whose bytes say what their code is.
    """

    def __init__(self, on_module: Callable[[nn.Module], Iterable[str]] = lambda _: ()) -> None:
        self._on_module = on_module
        self._met: dict[int, object] = {}  # kept, so that no other object gets its id
        self.files: set[Path] = set()

    def lines(self, part: object, depth: int) -> Iterator[str]:
        """Of `part`, and `depth` steps from it; equal in every process for equal code."""
        if isinstance(part, PLAIN):
            yield f"{type(part).__name__} {part!r}"
            return
        if id(part) in self._met and not isinstance(part, nn.Module):
            yield f"again {type(part).__qualname__}"
            return
        self._met[id(part)] = part
        if isinstance(part, nn.Module):
            yield from self._on_module(part)
            return
        yield from self._own(part)
        if not depth:
            return
        if isinstance(part, set | frozenset):
            yield from sorted(line for one in part for line in self.lines(one, 0))
            return
        for inner in self._parts(part):
            yield from self.lines(inner, depth - 1)

    def _own(self, part: object) -> Iterator[str]:
        """Of itself alone."""
        if isinstance(part, Tensor):
            yield _of_tensor(part)
        elif isinstance(part, np.ndarray | np.generic):
            array = np.asarray(part)
            raw = repr(array.shape).encode() if array.dtype.hasobject else array.tobytes()
            yield f"{array.dtype} {array.shape} {hashlib.sha256(raw).hexdigest()}"
        elif isinstance(part, types.ModuleType):
            yield part.__name__
            self._note_file(part.__name__)
        elif isinstance(part, types.FunctionType) and not is_known(part.__module__):
            yield part.__qualname__
            yield from _code(part.__code__)
        elif isinstance(part, Mapping):
            keys = [repr(key) for key in part if isinstance(key, PLAIN)]
            yield f"{type(part).__qualname__} {keys}"
        else:
            named = part if hasattr(part, "__qualname__") else type(part)
            yield f"{getattr(named, '__module__', '')}.{named.__qualname__}"

    def _parts(self, part: object) -> Iterator[object]:
        """What it reaches that its own lines do not say."""
        home = getattr(part if isinstance(part, _CODE) else type(part), "__module__", "") or ""
        if isinstance(part, _LOOSE):
            yield from parts_of(part)
        elif hasattr(part, "__wrapped__"):  # as what functools.lru_cache has wrapped
            yield part.__wrapped__
        elif is_known(home) or isinstance(part, Tensor | np.ndarray | types.ModuleType):
            return
        elif isinstance(part, type):
            self._note_file(home)
            yield from part.__bases__
            for name, attribute in vars(part).items():
                found = _function(attribute)
                # What others write into a class, as pydantic does, may name places in memory.
                if isinstance(found, types.FunctionType) or name[:2] != "__":
                    yield found
        elif isinstance(part, types.FunctionType):
            # What else a file holds, its bytes say; a script's depends on how it was called.
            is_told = self._note_file(home) and home != "__main__"
            inside = [one for one in parts_of(part) if not is_told or isinstance(one, _SAID)]
            yield from (*inside, *_closure(part))
        else:
            yield type(part)
            yield from parts_of(part)

    def _note_file(self, home: str) -> bool:
        """Whether the module called so has a source file, which then counts."""
        file = getattr(sys.modules.get(home), "__file__", None)
        if is_known(home) or not file or not Path(file).is_file():
            return False
        self.files.add(Path(file))
        return True


_SAID = (*PLAIN, *_CODE, Tensor, np.ndarray, np.generic, nn.Module)


def is_known(home: str | None) -> bool:
    """Whether a module of this name is of one of the packages `KNOWN`."""
    return (home or "").split(".")[0] in KNOWN


def _function(attribute: object) -> object:
    """The function that a class has as this attribute, or what it is."""
    if isinstance(attribute, property):
        return attribute.fget
    if isinstance(attribute, staticmethod | classmethod):
        return attribute.__func__
    return attribute if isinstance(attribute, (*PLAIN, *_CODE, list, dict, tuple)) else None


def _closure(function: types.FunctionType) -> Iterator[object]:
    """What is bound to the function itself."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()


def _of_tensor(tensor: Tensor) -> str:
    try:
        return tensors_sha256({"": tensor})
    except (RuntimeError, NotImplementedError, TypeError):  # sparse, or without memory
        return f"{tensor.dtype} {tuple(tensor.shape)}"


def _code(code: types.CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        elif isinstance(constant, frozenset):  # whose order is another in each process
            yield repr(sorted(map(repr, constant)))
        else:
            yield repr(constant)
