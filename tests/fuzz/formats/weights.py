"""Weight files: safetensors of a user's own, loaded by `zoo.load`."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

import zoo
from tests.fuzz.damage import damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.evidence import damage_safetensors

_FILE = "my.safetensors"
_DTYPES = ("BOOL", "I64", "U8", "C64", "F64", "BF16", "F16", "F8_E4M3", "I8", "X", "F4")
_NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}


class WeightFiles(Format):
    """The weights of a residual network of 20,000 parameters."""

    name = "weights"
    falsified_means = (
        "a file is accepted and the network's tensors are not those that another reader finds in"
        " it, or the digest told is not that of its bytes"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def make(self, folder: Path) -> None:
        from safetensors.torch import save_file

        with torch.random.fork_rng():
            torch.manual_seed(1)
            net = zoo.load("resnet8-silu-sat-digits", pretrained=False).net
        tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
        save_file(tensors, folder / _FILE, {"note": '{"made": "for the test", "n": 1}'})

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        way = rng.random()
        if way < 0.3:
            return Damage(damage_file(path, rng))
        if way < 0.6:
            return Damage(damage_safetensors(path, rng), is_resealed=True)
        return Damage(_new_tensors(path, rng), is_resealed=True)

    def read(self, folder: Path) -> Any:
        network = zoo.load(
            str(folder / _FILE),
            arch="satzoo_resnet8_digits",
            activation="silu",
            classes=10,
            size=8,
            mean=(0.5,),
            std=(0.5,),
        )
        logits = network(torch.zeros(1, 1, 8, 8))
        return network.file_sha256, network.net.state_dict(), logits

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        sha256, tensors, _ = found
        content = (folder / _FILE).read_bytes()
        if sha256 != hashlib.sha256(content).hexdigest():
            return f"the digest told is {sha256}"
        there = _parsed(content)
        for name, tensor in tensors.items():
            if name not in there:
                if not name.endswith("num_batches_tracked"):
                    return f"{name} is not in the file"
            elif not np.array_equal(
                tensor.double().numpy(), there[name].astype("f8"), equal_nan=True
            ):
                return f"{name} is not what the file says"
        return ""


def _new_tensors(path: Path, rng: Random) -> str:
    """A tensor of another type, shape, or place, more of them, or numbers that are none."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    name = rng.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    match rng.choice(("type", "type", "shape", "offsets", "swap", "nan", "many", "name", "twice")):
        case "type":
            entry["dtype"] = rng.choice(_DTYPES)
            n = int(np.prod(entry["shape"], dtype=object))
            width = {"BOOL": 1, "U8": 1, "I8": 1, "BF16": 2, "F16": 2, "F8_E4M3": 1}
            per = width.get(entry["dtype"], 8)
            entry["data_offsets"] = [len(data), len(data) + per * n]
            data += rng.choice((bytes(per * n), b"\1" * (per * n)))
        case "shape":
            entry["shape"] = rng.choice(
                (entry["shape"][::-1], [2**40, 2**40], [0], [-1], [10**30], [1] * 5000, [1.5])
            )
        case "offsets":
            entry["data_offsets"] = rng.choice(([0, 2**63], [-4, 0], [4, 0], [0, len(data)], [0]))
        case "swap":
            other = rng.choice([one for one in header if one != "__metadata__"])
            header[other], header[name] = header[name], header[other]
        case "nan":
            value = rng.choice((float("nan"), float("inf"), -float("inf"), 3.4e38, 1e-45))
            start = entry["data_offsets"][0]
            data[start : start + 4] = struct.pack("<f", value)
        case "many":
            n = rng.choice((1, 1000, 120_000))
            empty = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
            header |= {f"more.{i}": empty for i in range(n)}
        case "name":
            header[rng.choice((name + "\x1b[2J", "module." + name, "", name * 500))] = header.pop(
                name
            )
        case "twice":
            header[f"module.{name}"] = entry
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))
    return f"{name} changed"


def _parsed(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a safetensors file, by its description and not by its library."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            high = np.frombuffer(data[start:end], "<u2").astype("<u4") << 16
            found[name] = high.view("<f4").reshape(entry["shape"])
        elif entry["dtype"] in _NUMPY:
            values = np.frombuffer(data[start:end], _NUMPY[entry["dtype"]])
            found[name] = values.reshape(entry["shape"])
    return found
