"""From a weight file into a network: every tensor in its place, or a sentence that names one."""

from __future__ import annotations

import hashlib

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eval.errors import WeightsMismatch
from zoo.weights import REPAIR, Found

__all__ = ["fill", "misfit", "read_tensors"]


def fill(net: nn.Module, name: str, found: Found) -> None:
    """Load the file into `net`, the network of the model `name`.

    Raises `WeightsMismatch` for a file that is truncated, has another sha256 than promised, or
    does not hold exactly the network's tensors.
    """
    tensors = read_tensors(name, found)
    problem = misfit(net, tensors)
    if problem:
        raise WeightsMismatch(f"{name}: {found.path} does not fit: {problem}")
    net.load_state_dict(tensors)


def misfit(net: nn.Module, tensors: dict[str, Tensor]) -> str:
    """The first tensor, by name, that keeps `tensors` from being the state of `net`, or ""."""
    wanted = net.state_dict()
    advice = "use the weights of this very model"
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors or name not in wanted:
            has, lacks = (
                ("the file", "the network") if name in tensors else ("the network", "the file")
            )
            return f"{has} has the tensor {name!r} and {lacks} does not; {advice}"
        if wanted[name].shape != tensors[name].shape:
            return (
                f"tensor {name!r} has shape {tuple(tensors[name].shape)}, the network needs"
                f" {tuple(wanted[name].shape)}; {advice}"
            )
    return ""


def read_tensors(name: str, found: Found) -> dict[str, Tensor]:
    """All tensors of the file, which is the one that was promised; raises as `fill` does."""
    try:
        if found.sha256 is not None:
            got = hashlib.sha256(found.path.read_bytes()).hexdigest()
            if got != found.sha256:
                raise WeightsMismatch(
                    f"{name}: {found.path} has sha256 {got[:12]}, not {found.sha256[:12]} as"
                    f" promised: the file was changed; {REPAIR[found.source]}"
                )
        return load_file(found.path)
    except (SafetensorError, OSError) as error:
        raise WeightsMismatch(
            f"{name}: {found.path} is not a readable safetensors file ({error}): it may be"
            " truncated; fetch or export it again"
        ) from error
