"""Which model it is: digests of its weights, and of what it computes besides them."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.seen import Seen, is_known, tensors_sha256

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

_DEEP = 4
"""How many steps from a module its settings and functions are looked at."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_TORCHS = frozenset(vars(nn.Module())) | {"_compiled_call_impl"}
"""What modules have as attributes: tensors and modules, which are counted by themselves."""


def weights_sha256(model: nn.Module) -> str:
    """Digest over every tensor of the state dict: its name, dtype, shape and bytes, by name."""
    return tensors_sha256(model.state_dict())


def definition_sha256(model: nn.Module, leave_out: str = "") -> str:
    """Digest over the model's modules and settings, its unsaved buffers, and the code of its own.

    Of every module: its path, class, `extra_repr`, attributes, hooks, and TorchScript. Of what is
    not torch's or timm's: the source files, and the code itself, as a notebook has no file; with
    the closures and globals that it names, a few steps deep.

    Equal digests and equal weights do not prove equal functions (code may call what is hidden), but
    another activation, normalisation or forward is seen. A model that keeps a cache in an attribute
    of its own has another digest once it is filled: a run on it begins anew. leave_out: the name of
    an attribute that does not count.
    """
    digest = hashlib.sha256()
    look = _Look(model, leave_out)
    for line in look.all():
        digest.update(f"{line}\n".encode())
    digest.update(_wherever(look.seen.files))
    return digest.hexdigest()


def is_named(kind: type) -> bool:
    """Whether a pickle only names this class; the code of others travels in the pickle itself.

    These are those of a script, and those within a function.
    """
    home = sys.modules.get(kind.__module__)
    return kind.__module__ != "__main__" and getattr(home, kind.__qualname__, None) is kind


def named_files_sha256(model: nn.Module) -> str:
    """Digest of the source files of those classes that a pickle of the model only names."""
    files = set[Path]()
    for kind in {type(module) for module in model.modules()}:
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if is_named(kind) and file and not is_known(kind.__module__):
            files.add(Path(file))
    return hashlib.sha256(_wherever(files)).hexdigest()


def travelled_sha256(model: nn.Module) -> str:
    """As `definition_sha256`, but equal on two machines that have the same model.

    There files lie elsewhere, a script is another (its code travels by value, and is looked at by
    itself), and what stands in `extra_repr` lies elsewhere in memory.
    """
    digest = hashlib.sha256()
    look = _Look(model, "")
    for line in look.all():
        digest.update(f"{_ADDRESS.sub(' at 0x', line)}\n".encode())
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    files = look.seen.files - ({Path(script)} if script else set())
    digest.update(_wherever(files))
    return digest.hexdigest()


def _wherever(files: Iterable[Path]) -> bytes:
    """Digests of the files, the same wherever they lie."""
    return b"".join(sorted(hashlib.sha256(file.read_bytes()).digest() for file in files))


class _Look:
    def __init__(self, model: nn.Module, leave_out: str) -> None:
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._model = model
        self._ignored = _TORCHS | {leave_out}
        self._strange: list[nn.Module] = []  # kept, so that no other module gets its id
        self.seen = Seen(self._met)

    def all(self) -> Iterator[str]:
        yield from self._tree(self._model)

    def _tree(self, model: nn.Module) -> Iterator[str]:
        for path, module in model.named_modules():
            yield from self._of(path, module)
        saved = model.state_dict().keys()
        for name, buffer in model.named_buffers():
            if name not in saved:
                yield f"{name} {tensors_sha256({'': buffer})}"

    def _of(self, path: str, module: nn.Module) -> Iterator[str]:
        kind = type(module)
        yield f"{path} {kind.__module__}.{kind.__qualname__} {module.extra_repr()}"
        if not is_known(kind.__module__):
            yield from self.seen.lines(kind, _DEEP)
        elif isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule):
            yield from self._script(module)
        for name, value in sorted(vars(module).items()):
            if name in self._ignored:
                continue
            # Those of torch's own are its bookkeeping; its tensors are made of parameters.
            is_own = not is_known(kind.__module__)
            if is_own or not (name[0] == "_" or isinstance(value, Tensor)):
                yield name
                yield from self.seen.lines(value, _DEEP)
        for name in _HOOKS:
            for hook in getattr(module, name, {}).values():
                yield name
                yield from self.seen.lines(hook, _DEEP)

    def _script(self, module: Any) -> Iterator[str]:
        """What was traced or scripted, or written by torch.fx, with its constants."""
        try:
            code, constants = module.code_with_constants
            yield code
            yield from self.seen.lines(constants.const_mapping, 2)
        except (AttributeError, RuntimeError):  # torch.fx, or a script without a forward
            yield str(getattr(module, "code", ""))

    def _met(self, module: nn.Module) -> Iterator[str]:
        """Of a module that is an attribute: one of the model's, or one it has not registered."""
        path = self._paths.get(id(module))
        if path is not None:
            yield f"module {path!r}"
            return
        self._strange.append(module)
        self._paths |= {id(one): f"? {name}" for name, one in module.named_modules()}
        yield tensors_sha256(module.state_dict())
        yield from self._tree(module)
