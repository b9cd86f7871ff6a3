"""Reads TensorFlow "V2" checkpoints without TensorFlow, and believes no byte it has not checked.

`PREFIX.index` is a table. Its key "" holds the header of the bundle; every other key is the name
of a variable and holds where its bytes lie in `PREFIX.data-SSSSS-of-NNNNN`, with their checksum.

Source: TensorFlow `core/protobuf/tensor_bundle.proto`, `core/util/tensor_bundle/tensor_bundle.cc`.
"""

import hashlib
import io
import math
import os
import re
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from eval.errors import UsageError, WeightsMismatch, unknown
from eval.files.border import border, plain, read_bytes
from eval.files.limits import check
from zoo.official.format.table import Message, damaged, masked_crc, read_table, refuse_web_page

_REMEDY = "it is no index of a TensorFlow checkpoint, or is damaged; download it again"
# Numbers of `core/framework/types.proto`; other types hold no plain little-endian numbers.
_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 9: "int64", 10: "bool"}


@dataclass(frozen=True)
class Variable:
    """One entry of the index; `crc` is the masked CRC-32C of its `size` bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


class Digest(TypedDict):
    """What a file's bytes are; as it stands in a store's provenance."""

    sha256: str
    size_bytes: int


class TensorBundle:
    """A checkpoint on disk: `.variables` by name (sorted), `.read(name)` for the values.

    The index is read once and each data file opened once, so that `digests` are of the files that
    `read` reads, whoever puts others in their place meanwhile.

    prefix: the path without `.index`; the path of one of the checkpoint's files does as well.
    data:   the only data file, if it does not lie beside the index under its own name.

    Raises `UsageError` if there is no index at `prefix`, `WeightsMismatch` if the index is damaged
    or a data file is missing, a web page or shorter than the index says.
    """

    def __init__(self, prefix: Path | str, *, data: Path | None = None) -> None:
        self._data = data
        self.prefix = Path(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", str(prefix)))
        self.index = Path(f"{self.prefix}.index")
        content = index_bytes(self.index)
        self._index = Digest(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        self._open: dict[int, io.BufferedReader] = {}
        self.n_shards, self.variables = parse_index(self.index, content)
        ends = dict.fromkeys(range(self.n_shards), 0)
        for variable in self.variables.values():
            end = variable.offset + variable.size
            ends[variable.shard] = max(ends[variable.shard], end)
        for shard, end in ends.items():
            _check_shard(self.shard(shard), end)

    def shard(self, number: int) -> Path:
        """The data file with this number."""
        if self._data is not None:
            return self._data
        return Path(f"{self.prefix}.data-{number:05d}-of-{self.n_shards:05d}")

    @property
    def files(self) -> list[Path]:
        """Every file that the values come from."""
        return [self.index, *map(self.shard, range(self.n_shards))]

    def read(self, name: str) -> NDArray[np.generic]:
        """The values of one variable, a read-only array in the shape that the index gives.

        Raises `UsageError` for an unknown name, `WeightsMismatch` if the bytes on disk are not
        those that were saved.
        """
        if name not in self.variables:
            raise unknown("variable", name, self.variables)
        variable = self.variables[name]
        path = self.shard(variable.shard)
        if variable.dtype not in _DTYPES.values():
            raise WeightsMismatch(
                f"{path}: {plain(name)} is of {variable.dtype}, which cannot be read"
            )
        with border(path, WeightsMismatch, "download it again"):
            check("member_bytes", variable.size, f"bytes in {plain(name)}")
            file = self._opened(variable.shard)
            file.seek(variable.offset)
            content = file.read(variable.size)
        if len(content) != variable.size or masked_crc(content) != variable.crc:
            raise damaged(path, f"the bytes of {plain(name)} do not have the checksum of the index")
        dtype = np.dtype(variable.dtype).newbyteorder("<")
        return np.frombuffer(content, dtype).reshape(variable.shape)

    def digests(self) -> dict[str, Digest]:
        """By name, "sha256" and "size_bytes" of every file that the values come from.

        Raises `WeightsMismatch` if one cannot be read.
        """
        found = {self.index.name: self._index}
        for number in range(self.n_shards):
            path = self.shard(number)
            try:
                file = self._opened(number)
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
            except OSError as error:
                raise WeightsMismatch(f"{path} cannot be read: {error.strerror}") from error
            found[path.name] = Digest(sha256=sha256, size_bytes=size)
        return found

    def _opened(self, number: int) -> io.BufferedReader:
        """The data file with this number, open until nobody has the bundle any more."""
        if number not in self._open:
            file = self.shard(number).open("rb")
            weakref.finalize(self, file.close)
            self._open[number] = file
        return self._open[number]


def read_index(path: Path) -> tuple[int, dict[str, Variable]]:
    """(number of data files, variables by name) of an index file.

    Raises `UsageError` if there is none at `path`, `WeightsMismatch` if it is damaged.
    """
    return parse_index(path, index_bytes(path))


def index_bytes(path: Path) -> bytes:
    """The bytes of an index file.

    Raises `UsageError` if there is none at `path`, `WeightsMismatch` if it cannot be read.
    """
    try:
        with border(path, WeightsMismatch, _REMEDY):
            return read_bytes(path, "index_bytes")
    except WeightsMismatch as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        near = sorted(other.name for other in path.parent.glob("*.index"))[:3]
        hint = f"its folder holds {', '.join(near)}" if near else "its folder holds no index at all"
        raise UsageError(f"there is no checkpoint index {path}: {hint}") from None


def parse_index(path: Path, data: bytes) -> tuple[int, dict[str, Variable]]:
    """`read_index` of bytes that were read from `path`."""
    with border(path, WeightsMismatch, _REMEDY):
        return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> tuple[int, dict[str, Variable]]:
    header: Message | None = None
    variables: list[Variable] = []
    for key, value in read_table(path, data):
        if key:
            variables.append(_variable(path, key, Message(value, path)))
        else:
            header = Message(value, path)
            _check_endianness(path, header)
    if header is None:
        raise damaged(path, "it has no header")
    n_shards = header.integer(1)
    if not 1 <= n_shards <= 99999 or any(v.shard >= n_shards for v in variables):
        raise damaged(path, f"its variables do not lie in the {n_shards} data files it speaks of")
    return n_shards, {variable.name: variable for variable in variables}


def _check_endianness(path: Path, header: Message) -> None:
    if header.integer(2) != 0:
        raise WeightsMismatch(
            f"{path} was written by a big-endian machine, whose checkpoints are not supported"
        )


def _variable(path: Path, key: bytes, entry: Message) -> Variable:
    name = key.decode("utf-8", errors="backslashreplace")
    said = plain(name)
    if entry.messages(7):
        raise WeightsMismatch(f"{path}: {said} was saved in slices, which are not supported")
    shape = tuple(dim.integer(1) for shape in entry.messages(2) for dim in shape.messages(2))
    code, size = entry.integer(1), entry.integer(5)
    dtype = _DTYPES.get(code, f"TensorFlow's type {code}")
    if code in _DTYPES and size != math.prod(shape) * np.dtype(dtype).itemsize:
        raise damaged(path, f"{said} has {size} bytes, which is no {dtype} of shape {shape}")
    shard, offset, crc = entry.integer(3), entry.integer(4), entry.integer(6)
    return Variable(name, dtype, shape, shard, offset, size, crc)


def _check_shard(path: Path, size: int) -> None:
    if not path.is_file():
        stem = path.name.partition(".data-")[0]
        beside = sorted(other.name for other in path.parent.glob(f"{stem}.*"))
        raise WeightsMismatch(
            f"{path} is missing: it must lie beside the index, and there are only"
            f" {', '.join(beside)}; download it too"
        )
    try:
        with path.open("rb") as file:
            refuse_web_page(path, file.read(256))
        found = path.stat().st_size
    except OSError as error:
        raise WeightsMismatch(f"{path} cannot be read: {error.strerror}") from error
    if found < size:
        raise WeightsMismatch(
            f"{path} is truncated: it has {found} bytes and the index needs {size}; download it"
            " again"
        )
