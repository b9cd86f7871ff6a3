"""A state dict of `torch.save`, turned into safetensors once, bit for bit; no code of it runs.

No torch at import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import ReportError, UsageError, WeightsMismatch
from eval.files.border import border, is_file, plain
from eval.files.paths import AnyPath, path_of
from eval.files.writing import check_writable, create_file, write_atomically
from zoo.weights.header import checked_header
from zoo.weights.pickled import Pickled, read_pickled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Converted", "convert"]

_ENDING = ".safetensors"
_DEPTH = 3
_SHOWN = 5


@dataclass(frozen=True)
class Converted:
    """What was written, and what was not.

    key: where in the file the state dict lay, with dots, "" for the whole file. n_parameters:
    numbers in all tensors. shared: names of tensors that shared memory, which are stored each.
    left_out: names, or what is not a name, of what is no tensor or has not the prefix. prefix:
    what all names begin with that no network's do, "" if nothing.
    """

    path: Path
    sha256: str
    source_sha256: str
    key: str
    n_tensors: int
    n_numbers: int
    shared: tuple[str, ...]
    left_out: tuple[str, ...]
    prefix: str


def convert(
    file: AnyPath,
    out: AnyPath | None = None,
    *,
    strip_prefix: str | None = None,
    key: str | None = None,
) -> Converted:
    """Write the state dict in `file`, of `torch.save`, as safetensors.

    out: default beside `file`, with its name and the ending .safetensors, where nothing may be yet;
    what is named is replaced. strip_prefix: take the tensors whose names begin with it, without it.
    key: where in the file the state dict is, as "state_dict", or "a.b" for one within another; ""
    for the whole file. Not needed where the file holds only one.

    Every tensor keeps its dtype, shape and bits. Raises `UsageError` for arguments that cannot be
    and for a file of several state dicts without a `key`; `WeightsMismatch` for what
    `zoo.weights.pickled.read_pickled` refuses, and for tensors that safetensors do not hold;
    `ReportError` where `out` is there already or cannot be written.
    """
    path = path_of(file, "file")
    place = _place(path, path_of(out, "out"))
    pickled = read_pickled(path)
    at, found = _state(pickled, key)
    tensors, left_out = _chosen(path, found, strip_prefix)
    content = _safetensors(path, tensors, pickled.sha256)
    _write(place, content, is_named=out is not None)
    return Converted(
        path=place,
        sha256=hashlib.sha256(content).hexdigest(),
        source_sha256=pickled.sha256,
        key=at,
        n_tensors=len(tensors),
        n_numbers=sum(one.numel() for one in tensors.values()),
        shared=_shared(tensors),
        left_out=left_out,
        prefix=_common_prefix(tensors),
    )


def _place(path: Path, out: Path | None) -> Path:
    """Where to write; raises what can be known before the file is read."""
    if not is_file(path):
        raise UsageError(f"{path} is not a file: name a file of torch.save that is there")
    if path.name.lower().endswith(_ENDING):
        raise UsageError(f"{path} is called a safetensors file already: it needs no converting")
    place = path.with_suffix(_ENDING) if out is None else out
    if place.suffix != _ENDING:
        raise UsageError(f"`out` {place} must end in {_ENDING}: only such a file is loaded later")
    check_writable(place)
    if out is None and place.exists():
        raise _there(place)
    if place.exists() and place.samefile(path):
        raise UsageError(f"`out` {place} is the file itself: name another")
    return place


def _there(place: Path) -> ReportError:
    return ReportError(f"{place} is there already: name it with `out` to replace it, or another")


def _write(place: Path, content: bytes, *, is_named: bool) -> None:
    if is_named:
        write_atomically(place, content)
        return
    try:
        create_file(place, content)
    except FileExistsError as error:
        raise _there(place) from error
    except OSError as error:
        raise ReportError(
            f"{place} cannot be written: {error.strerror or error}; choose another path with `out`"
        ) from error


def _state(pickled: Pickled, key: str | None) -> tuple[str, Mapping[str, Any]]:
    """The state dict and where it lies."""
    path = pickled.path
    if not isinstance(pickled.content, Mapping):
        kind = type(pickled.content).__name__
        raise UsageError(f"{path} holds a {kind} and no state dict: save model.state_dict() alone")
    found = dict(_states(pickled.content))
    if not found:
        said = ", ".join(plain(repr(one), 40) for one in list(pickled.content)[:_SHOWN])
        raise UsageError(f"{path} holds no tensors by name (it has {said or 'nothing'})")
    listed = ", ".join(f"{at or repr('')} ({_n(state)} tensors)" for at, state in found.items())
    if key is not None:
        if key not in found:
            raise UsageError(f"`key` {key!r} is no state dict of {path}: there is {plain(listed)}")
        return key, found[key]
    if len(found) > 1:
        example = max(found, key=lambda at: _n(found[at]))
        raise UsageError(
            f"{path} holds {len(found)} state dicts, {plain(listed)}: say which one,"
            f" as `key={example!r}`"
        )
    return next(iter(found.items()))


def _states(found: Mapping[Any, Any], at: str = "", depth: int = _DEPTH) -> Iterator[Any]:
    """Every mapping from names to tensors, with where it lies.

    Through names only: an optimizer keeps its tensors under numbers.
    """
    if _n(found):
        yield at, found
    if depth == 0:
        return
    for name, inner in found.items():
        if isinstance(name, str) and isinstance(inner, Mapping):
            yield from _states(inner, f"{at}.{name}" if at else name, depth - 1)


def _n(state: Mapping[Any, Any]) -> int:
    import torch

    return sum(isinstance(k, str) and torch.is_tensor(v) for k, v in state.items())


def _chosen(
    path: Path, state: Mapping[Any, Any], prefix: str | None
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors to write by their new names, and the names of the rest."""
    import torch

    tensors, left_out = dict[str, Any](), list[str]()
    start = prefix or ""
    for name, value in state.items():
        is_taken = isinstance(name, str) and name.startswith(start) and name != start
        if is_taken and torch.is_tensor(value):
            tensors[name[len(start) :]] = value
        else:
            left_out.append(plain(str(name), 80))
    if not tensors:
        raise UsageError(
            f"`strip_prefix` {start!r}: no tensor of {path} has a name that begins so, the first is"
            f" {plain(repr(next(iter(state))), 80)}"
        )
    return tensors, tuple(left_out)


def _safetensors(path: Path, tensors: Mapping[str, Tensor], source_sha256: str) -> bytes:
    import torch
    from safetensors.torch import save

    for name, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise WeightsMismatch(
                f"{path}: tensor {plain(name, 80)} is sparse, quantized or empty of memory, and"
                " only plain numbers are stored: leave it out where the file is made"
            )
    with border(path, WeightsMismatch, "its tensors cannot be stored as safetensors of weights"):
        # A copy of each: safetensors hold none that share memory, and no views.
        content: bytes = save(
            {name: _plain(value) for name, value in tensors.items()},
            metadata={"format": "pt", "converted_from_sha256": source_sha256},
        )
        checked_header(content)
    return content


def _plain(value: Tensor) -> Tensor:
    import torch

    bare = value.detach().as_subclass(torch.Tensor)
    return bare.resolve_conj().resolve_neg().contiguous().clone()


def _shared(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    by_memory: dict[int, list[str]] = {}
    for name, value in tensors.items():
        if value.numel():
            by_memory.setdefault(value.untyped_storage().data_ptr(), []).append(name)
    return tuple(name for names in by_memory.values() if len(names) > 1 for name in names)


def _common_prefix(tensors: Mapping[str, Any]) -> str:
    """The first word of all names, where they are more than one module and it is a wrapper's."""
    words = {name.partition(".")[0] for name in tensors}
    word = words.pop() if len(words) == 1 else ""
    return f"{word}." if word in {"module", "model", "ema", "net", "_orig_mod"} else ""
