"""A small writer of TensorFlow checkpoints, and small cards, so that few tests need real files."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo import networks
from zoo.cards import ModelCard
from zoo.official.format.table import masked_crc
from zoo.official.mapping import mapping

CODES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int64": 9, "bool": 10}
FloatArray = np.ndarray[Any, np.dtype[np.float32]]


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A protobuf field; as in proto3, a zero is not written."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value) if value else b""


def entry(array: np.ndarray[Any, Any], shard: int, offset: int) -> bytes:
    dims = b"".join(field(2, field(1, size)) for size in array.shape)
    content = array.tobytes()
    return (
        field(1, CODES[array.dtype.name])
        + field(2, dims)
        + field(3, shard)
        + field(4, offset)
        + field(5, len(content))
        + varint(6 << 3 | 5)
        + struct.pack("<I", masked_crc(content))
    )


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Keys are stored as what differs from the key before; one restart, at the beginning."""
    out, last = b"", b""
    for key, value in entries:
        n_shared = 0
        while n_shared < min(len(key), len(last)) and key[n_shared] == last[n_shared]:
            n_shared += 1
        out += varint(n_shared) + varint(len(key) - n_shared) + varint(len(value))
        out += key[n_shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def table(
    blocks: list[bytes], last_keys: Sequence[bytes] | None = None, compression: int = 0
) -> bytes:
    """The file that holds these data blocks; TensorFlow finds a block by its last key."""
    out, handles = b"", []
    for content in [*blocks, block([])]:
        handles.append(varint(len(out)) + varint(len(content)))
        stored = content + bytes([compression])
        out += stored + struct.pack("<I", masked_crc(stored))
    keys = last_keys if last_keys is not None else [bytes([i]) for i in range(len(blocks))]
    directory = block(list(zip(keys, handles[:-1], strict=True))) + b"\0"
    footer = handles[-1] + varint(len(out)) + varint(len(directory) - 1)
    out += directory + struct.pack("<I", masked_crc(directory))
    return out + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write(
    prefix: Path,
    variables: Mapping[str, np.ndarray[Any, Any]],
    *,
    n_shards: int = 1,
    per_block: int = 16,
    endianness: int = 0,
    compression: int = 0,
    extra: bytes = b"",
) -> Path:
    """Write a checkpoint and return its prefix; `extra` is added to every variable's entry."""
    data: list[list[bytes]] = [[] for _ in range(n_shards)]
    entries = [(b"", field(1, n_shards) + field(2, endianness) + field(3, field(1, 1)))]
    for i, (name, array) in enumerate(sorted(variables.items(), key=lambda v: v[0].encode())):
        shard = i % n_shards
        offset = sum(map(len, data[shard]))
        entries.append((name.encode(), entry(array, shard, offset) + extra))
        data[shard].append(array.tobytes())
    groups = [entries[i : i + per_block] for i in range(0, len(entries), per_block)]
    content = table([block(group) for group in groups], [g[-1][0] for g in groups], compression)
    Path(f"{prefix}.index").write_bytes(content)
    for shard, arrays in enumerate(data):
        Path(f"{prefix}.data-{shard:05d}-of-{n_shards:05d}").write_bytes(b"".join(arrays))
    return prefix


def variables_of(card: ModelCard, scope: str = "", suffix: str = "") -> dict[str, FloatArray]:
    """A model's variables as TensorFlow has them, with random values.

    Kernels are divided by their number of inputs, so that no activation overflows.
    """
    with torch.device("meta"):
        targets = mapping(networks.build(card), scope)
    rng = np.random.default_rng(len(suffix))
    return {
        name + suffix: (
            rng.uniform(0.5, 1.5, target.tf_shape)
            / (1 if target.layout == "vector" else np.prod(target.tf_shape[:-1]))
        ).astype("float32")
        for name, target in targets.items()
    }


def small_card(name: str, **changes: Any) -> ModelCard:
    entry = {
        "name": name,
        "family": "resnet",
        "arch": "satzoo_resnet50",
        "arch_args": {"channels": (4, 4, 8, 8)},
        "activation": "silu",
        "method": "sat",
        "dataset": "imagenet",
        "classes": 5,
        "input": {"size": 64},
        "threat": None,
        "parameters": 1,
        "official": {
            "prefix": "small",
            "drive_ids": {"index": "id-of-index", "data": "id-of-data"},
            "channel_order": "BGR",
            "ema": False,
        },
    }
    return ModelCard.model_validate(entry | changes)
