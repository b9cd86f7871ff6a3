"""The header of a safetensors file, looked at before the library reads it. No torch here.

It is JSON of any length, and of each tensor it says a type, a shape and a place. The library checks
that the places fill the file; what it does not ask is how many there are, whether a name stands
twice (then one of two tensors is taken, unseen), and whether a type is one of weights.
Source: the safetensors README, "Format".
"""

from __future__ import annotations

from eval.files.border import plain
from eval.files.limits import check
from eval.files.record import parse_json

_TYPES = frozenset(
    {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
)
_MOST_AXES = 16


def checked_header(content: bytes) -> dict[str, str]:
    """What the header of a whole file says beside the tensors, once it is within the limits.

    For the border around it. Raises `ValueError` also for tensors of types that hold no weights as
    they are: complex numbers, and the floating-point numbers of 8 bits and fewer, which mean
    nothing without their scales.
    """
    size = int.from_bytes(content[:8], "little")
    check("header_bytes", size, "bytes of header")
    text = content[8 : 8 + size]
    if len(content) < 8 or len(text) != size:
        raise ValueError("it is shorter than its header")
    # Every tensor is an object, so this counts them before anything is parsed.
    check("tensors", text.count(b"{") - 2, "tensors, or more")
    header = parse_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("what its header says beside the tensors is no text")
    for name, said in header.items():
        _check_tensor(name, said)
    return metadata


def _check_tensor(name: str, said: object) -> None:
    shown = plain(name, 80)
    if not isinstance(said, dict) or not isinstance(said.get("dtype"), str):
        raise ValueError(f"its header does not say what tensor {shown} is")
    if said["dtype"] not in _TYPES:
        kind = plain(said["dtype"], 20)
        raise ValueError(f"tensor {shown} is of the type {kind}, which holds no plain weights")
    shape = said.get("shape")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError(f"the shape of tensor {shown} is none")
