"""The npz of the first official pictures, as if there were twelve of them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from eval.data import open_data
from eval.data.cifar10 import exact
from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.pictures import content_of

_FILE = "official_test_first_1017.npz"
_N = 12
_SHAPES = (
    "(100000000000,)", "(12, 32, 32)", "(-1, 32, 32, 3)", "(12, 32, 32, 3", "()", "(9, 9)" * 999,
    "(12.5, 32, 32, 3)", "(True,)", "(12, 32, 32, 10000000)", "(99999999999999999999999,)",
)  # fmt: skip
_DTYPES = ("|O", "<f8", "|u2", ">u8", "<M8[ns]", "|S3", "<U9", "x", "|V0", "[('a', '|O')]", "<c16")


class Arrays(Format):
    """Random pictures and labels, whose digests the reader is told to be the official ones."""

    name = "npz"
    falsified_means = "pictures or labels are accepted that are not, bit for bit, the official ones"

    def __init__(self) -> None:
        rng = np.random.default_rng(6)
        self._images = rng.integers(0, 256, (_N, 32, 32, 3), dtype=np.uint8)
        self._images[:, 8:] = 7  # compresses, as bombs do
        self._labels = rng.integers(0, 10, _N, dtype=np.uint8)
        told = {
            "_FIRST_N": _N,
            "_FIRST_PIXELS": hashlib.sha256(self._images.tobytes()).hexdigest(),
            "_FIRST_LABELS": hashlib.sha256(self._labels.tobytes()).hexdigest(),
        }
        for name, value in told.items():
            assert hasattr(exact, name)
            setattr(exact, name, value)

    def make(self, folder: Path) -> None:
        np.savez_compressed(folder / _FILE, images=self._images, labels=self._labels)

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        if rng.random() < 0.5:
            return Damage(damage_file(path, rng))
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        what = _change_members(members, rng)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return Damage(what, is_resealed=True)

    def read(self, folder: Path) -> Any:
        return content_of(open_data("cifar10", data_dir=folder).take(_N))

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        return "" if found == original else "other pictures"


def _change_members(members: dict[str, bytes], rng: Random) -> str:
    name = rng.choice(sorted(members))
    match rng.choice(
        ("shape", "shape", "type", "bytes", "bomb", "drop", "more", "pickle", "order")
    ):
        case "shape":
            shape = rng.choice(_SHAPES)
            members[name] = _with_header(members[name], shape=shape)
            return f"{name} of shape {shape[:30]}"
        case "type":
            dtype = rng.choice(_DTYPES)
            members[name] = _with_header(members[name], dtype=dtype)
            return f"{name} of type {dtype}"
        case "bomb":
            n = rng.choice((10**7, 10**8, 6 * 10**8))
            members[name] = _with_header(members[name], shape=f"({n},)")[:-1] + bytes(n)
            return f"{name} of {n} bytes"
        case "drop":
            del members[name]
            return f"without {name}"
        case "more":
            members |= {f"more/{i}.npy": b"" for i in range(rng.choice((1, 5000)))}
        case "pickle":
            stream = io.BytesIO()
            np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
            members[name] = stream.getvalue()
        case "order":
            members[name] = _with_header(members[name], order="True")
        case _:
            members[name], what = damage_bytes(members[name], rng)
            return f"{name}: {what}"
    return f"{name} changed, {len(members)} members"


def _with_header(
    content: bytes, *, shape: str | None = None, dtype: str = "|u1", order: str = "False"
) -> bytes:
    """The array under another header; what does not fit stays so."""
    (size,) = struct.unpack("<H", content[8:10])
    old = content[10 : 10 + size].decode("latin-1")
    shape = shape or old[old.index("'shape': ") + 9 : old.rindex(")") + 1]
    dtype = dtype if dtype.startswith("[") else f"'{dtype}'"
    text = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode("latin-1")
    return content[:8] + struct.pack("<H", len(text)) + text + content[10 + size :]
