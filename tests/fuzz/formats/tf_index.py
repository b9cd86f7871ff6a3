"""TensorFlow checkpoints: an index with checksums, and the data file that it describes."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.tfcheckpoint import field, table, varint, write
from zoo.official.format.table import read_table
from zoo.official.format.tensor_bundle import TensorBundle

_PREFIX = "model.ckpt"
_INDEX = f"{_PREFIX}.index"
_NUMBERS = (0, 1, 2, 4, 99, 2**31, 2**32, 2**62, 2**63 - 1, 2**64 - 1)
_DAMAGED = (
    "index bytes",
    "index bytes",
    "data bytes",
    "block",
    "block",
    "entries",
    "bomb",
    "footer",
)


class TensorFlowIndexes(Format):
    """Twelve variables in three blocks and one data file."""

    name = "tf_index"
    falsified_means = (
        "a variable is accepted whose bytes are not those of one that was saved; where no checksum"
        " was made right again, also another name, type, shape or number of variables"
    )

    def make(self, folder: Path) -> None:
        rng = np.random.default_rng(4)
        shapes = [(3, 3, 2, 4), (4,), (8, 5), (), (2, 0), (7,)]
        variables = {
            f"net/layer_{i}/{'kernel' if i % 2 else 'gamma'}": rng.normal(
                size=shapes[i % len(shapes)]
            ).astype(("float32", "float32", "float64")[i % 3])
            for i in range(12)
        }
        write(folder / _PREFIX, variables, per_block=5)

    def damage(self, folder: Path, rng: Random) -> Damage:
        index = folder / _INDEX
        way = rng.choice(_DAMAGED)
        if way == "index bytes":
            return Damage(damage_file(index, rng))
        if way == "data bytes":
            return Damage(damage_file(next(folder.glob(f"{_PREFIX}.data*")), rng))
        content = index.read_bytes()
        if way == "footer":
            damaged, what = damage_bytes(content[-48:-8], rng)
            index.write_bytes(content[:-48] + damaged + content[-8:])
            return Damage(f"footer: {what}", is_resealed=True)
        entries = list(read_table(index, content))
        if way == "bomb":
            index.write_bytes(_bomb(rng))
        elif way == "entries":
            changed, what = _change_entries(entries, rng)
            index.write_bytes(table([_block(changed)], [b"\xff"]))
            return Damage(f"entries: {what}", is_resealed=True)
        else:
            block, what = damage_bytes(_block(entries), rng)
            index.write_bytes(table([block], [b"\xff"]))
            return Damage(f"block with its checksum: {what}", is_resealed=True)
        return Damage("a bomb of names", is_resealed=True)

    def read(self, folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
        bundle = TensorBundle(folder / _PREFIX)
        return {
            name: (variable.dtype, variable.shape, bundle.read(name).tobytes())
            for name, variable in bundle.variables.items()
        }

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        if not damage.is_resealed:
            return "" if found == original else "other variables"
        saved = {content for _, _, content in original.values()}
        strange = [name for name, (_, _, content) in found.items() if content not in saved]
        return f"{strange[0]!r} has bytes that were never saved" if strange else ""


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Keys as what differs from the key before, in any order; one restart."""
    out, last = b"", b""
    for key, value in entries:
        n = 0
        while n < min(len(key), len(last)) and key[n] == last[n]:
            n += 1
        out += varint(n) + varint(len(key) - n) + varint(len(value)) + key[n:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def _change_entries(
    entries: list[tuple[bytes, bytes]], rng: Random
) -> tuple[list[tuple[bytes, bytes]], str]:
    at = rng.randrange(len(entries))
    key, value = entries[at]
    match rng.choice(("value", "value", "field", "field", "key", "drop", "swap", "more", "header")):
        case "value":
            value, what = damage_bytes(value, rng)
            entries[at] = key, value
        case "field":  # of two equal fields the last one counts
            number, size = rng.choice((1, 2, 3, 4, 5, 6, 7)), rng.choice(_NUMBERS)
            dims = field(2, field(2, field(1, size)) * rng.choice((1, 4, 2000)))
            entries[at] = key, value + (dims if number == 2 else field(number, size))
            what = f"field {number} of {key!r} is {size}"
        case "key":
            new = rng.choice((key + b"\x1b[2J", b"", key * 300, b"\xff\xfe", rng.randbytes(9)))
            entries[at], what = (new, value), f"{key!r} is called {new[:20]!r}"
            entries.sort()
        case "drop":
            del entries[at]
            what = f"without {key!r}"
        case "swap":
            other = rng.randrange(len(entries))
            entries[at], entries[other] = (key, entries[other][1]), (entries[other][0], value)
            what = f"{key!r} and {entries[other][0]!r} are exchanged"
        case "more":
            n = rng.choice((1, 500, 150_000))
            entries = sorted([*entries, *((b"z%06d" % i, value) for i in range(n))])
            what = f"{n} more entries"
        case _:
            entries[0] = (
                entries[0][0],
                field(1, rng.choice(_NUMBERS)) + field(2, rng.choice((0, 1))),
            )
            what = "the header is another"
    return entries, what


def _bomb(rng: Random) -> bytes:
    """Names that share all they have: some kilobytes say gigabytes."""
    length, n = rng.choice(((1000, 3000), (30_000, 20_000), (100_000, 60_000), (1_000_000, 400)))
    parts = [varint(0) + varint(0) + varint(2) + field(1, 1)]
    parts.append(varint(0) + varint(length) + varint(0) + b"a" * length)
    parts += [varint(length) + varint(4) + varint(0) + i.to_bytes(4, "big") for i in range(n)]
    return table([b"".join(parts) + struct.pack("<II", 0, 1)], [b"\xff"])
