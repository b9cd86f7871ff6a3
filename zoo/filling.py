"""From a weight file into a network: every tensor in its place, or a sentence that names one.

No torch before there is a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from eval.errors import WeightsMismatch
from zoo.prefixes import advice, is_counter, taken
from zoo.weight_file import WeightFile, Weights, load_file
from zoo.weights import REPAIR, Found

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["fill", "misfit", "put", "read", "read_tensors", "read_weights", "stripped", "unfit"]


def read(name: str, found: Found) -> WeightFile:
    """The weight file of the model `name`, read once; it is the one that was promised.

    Raises `WeightsMismatch` for a file that cannot be read or has another sha256 than promised.
    """
    try:
        file = load_file(found.path)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{name}: {error}") from error
    if found.sha256 is not None and file.sha256 != found.sha256:
        raise WeightsMismatch(
            f"{name}: {found.path} has sha256 {file.sha256[:12]}, not {found.sha256[:12]} as"
            f" promised: the file was changed; {REPAIR[found.source]}"
        )
    return file


def read_tensors(name: str, found: Found) -> Mapping[str, Tensor]:
    """All tensors of the file, by the file's own names; raises as `read`."""
    return read_weights(name, found).tensors


def read_weights(name: str, found: Found) -> Weights:
    """All of the file, parsed from the very bytes that were verified; raises as `read`."""
    file = read(name, found)
    try:
        return file.weights()
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{name}: {error}") from error


def fill(net: nn.Module, name: str, weights: Weights, strip_prefix: str | None = None) -> None:
    """Put the weights into `net`, the network of the model `name`.

    strip_prefix: as `zoo.load` has it. Raises `WeightsMismatch` for a file that does not hold
    exactly the network's tensors.
    """
    tensors = stripped(net, name, weights, strip_prefix)
    problem = misfit(net, tensors)
    if problem:
        raise unfit(net, name, weights, problem, strip_prefix)
    put(net, tensors)


def unfit(
    net: nn.Module, name: str, weights: Weights, problem: str, strip_prefix: str | None
) -> WeightsMismatch:
    """The error that `problem`, of `misfit`, is: with the prefix that the names carry, if so."""
    hint = advice(weights.tensors, net.state_dict().keys(), strip_prefix)
    return WeightsMismatch(
        f"{name}: {weights.path} does not fit: {problem};"
        f" {hint or 'use the weights of this very model'}"
    )


def stripped(
    net: nn.Module, name: str, weights: Weights, strip_prefix: str | None
) -> Mapping[str, Tensor]:
    """The tensors of the file, or those behind `strip_prefix`, by the network's names."""
    if strip_prefix is None:
        return weights.tensors
    try:
        return taken(weights.tensors, net.state_dict().keys(), strip_prefix)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{name}: {weights.path}: {error}") from error


def put(net: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load tensors without a `misfit`; a batch counter that they lack stays as the network has it.

    Inference never reads the counters, and files of other frameworks lack them.
    """
    own = net.state_dict()
    given = {
        name: tensors[name]
        for name in own.keys() & tensors.keys()
        if tensors[name].shape == own[name].shape
    }
    net.load_state_dict({**own, **given})


def misfit(net: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """The first tensor, by name, that keeps `tensors` from being the state of `net`, or "".

    Batch counters may be missing, or be more than the network has.
    """
    wanted = net.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        if is_counter(name):
            continue
        if name not in tensors or name not in wanted:
            has, lacks = (
                ("the file", "the network") if name in tensors else ("the network", "the file")
            )
            return f"{has} has the tensor {name!r} and {lacks} does not"
        if wanted[name].shape != tensors[name].shape:
            return (
                f"tensor {name!r} has shape {tuple(tensors[name].shape)}, the network needs"
                f" {tuple(wanted[name].shape)}"
            )
        if wanted[name].is_floating_point() != tensors[name].is_floating_point():
            return (
                f"tensor {name!r} is {tensors[name].dtype} and the network's is"
                f" {wanted[name].dtype}: whole numbers are no weights without their scales"
            )
    return ""
