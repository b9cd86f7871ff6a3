"""Damage to bytes, whatever they mean, and to files as a file system has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

Change = Callable[[bytes, Random], bytes]


def flip_bits(data: bytes, rng: Random) -> bytes:
    """One to eight bits."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: Random) -> bytes:
    """The beginning."""
    return data[: rng.choice((rng.randrange(len(data)), len(data) - 1, min(9, len(data) - 1), 0))]


def insert(data: bytes, rng: Random) -> bytes:
    """Something in between."""
    at, n = rng.randrange(len(data) + 1), rng.choice((1, 2, 7, 64, 5000))
    more = rng.choice((bytes(n), b"\xff" * n, rng.randbytes(n), b"\n" * n, b"[" * n))
    return data[:at] + more + data[at:]


def repeat(data: bytes, rng: Random) -> bytes:
    """A piece once more, or a few hundred times."""
    start, end = _piece(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 3, 300)) + data[end:]


def remove(data: bytes, rng: Random) -> bytes:
    """All but a piece."""
    start, end = _piece(data, rng)
    return data[:start] + data[end:]


def overwrite(data: bytes, rng: Random) -> bytes:
    """A piece by zeros, ones, noise, or a number at the edge of its type."""
    size = rng.choice((1, 2, 4, 8, 16))
    most = 2 ** (8 * size)
    number = rng.choice((0, 1, most - 1, most // 2, most // 2 - 1, rng.randrange(most)))
    at = rng.randrange(len(data))
    return (data[:at] + number.to_bytes(size, "little") + data[at + size :])[: len(data)]


def swap(data: bytes, rng: Random) -> bytes:
    """Two pieces in each other's place."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def append(data: bytes, rng: Random) -> bytes:
    """The whole once more, or something, behind the end."""
    return data + rng.choice((data, b"\0", rng.randbytes(100), bytes(10_000)))


CHANGES: tuple[Change, ...] = (
    *(flip_bits, flip_bits, flip_bits, overwrite, overwrite),
    *(truncate, truncate, insert, repeat, remove, swap, append),
)


def damage_bytes(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Damaged bytes, never the same ones, and what was done."""
    while True:
        change = rng.choice(CHANGES)
        damaged = change(data, rng)
        if damaged != data:
            return damaged, f"{change.__name__} ({len(data)} to {len(damaged)} bytes)"


def damage_file(path: Path, rng: Random) -> str:
    """Damage a file's bytes or, one time in twenty, put something else in its place."""
    if rng.random() < 0.05:
        return replace_file(path, rng)
    damaged, what = damage_bytes(path.read_bytes(), rng)
    path.write_bytes(damaged)
    return f"{path.name}: {what}"


def replace_file(path: Path, rng: Random) -> str:
    """Something that is no regular file, or nothing, where a file was."""
    kind = rng.choice(("fifo", "zero", "circle", "folder", "nothing", "empty"))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "circle":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    return f"{path.name} became: {kind}"


def _piece(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 4, 32, 512, len(data))))
