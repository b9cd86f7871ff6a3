"""Indices with right checksums whose few bytes say much."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.errors import UsageError, WeightsMismatch
from eval.files.limits import VARIABLE
from tests.bounded import refused
from tests.tfcheckpoint import block, field, varint
from zoo.official import TensorBundle

HEADER = field(1, 1)
RESTARTS = b"\0\0\0\0\1\0\0\0"
Table = Callable[..., bytes]


def entries(*parts: tuple[int, bytes, bytes]) -> bytes:
    """A block of (bytes shared with the name before, bytes that follow, value)."""
    return b"".join(
        varint(shared) + varint(len(fresh)) + varint(len(value)) + fresh + value
        for shared, fresh, value in parts
    )


def index_of(folder: Path, content: bytes) -> Path:
    (folder / "x.index").write_bytes(content)
    (folder / "x.data-00000-of-00001").touch()
    return folder / "x"


@pytest.mark.parametrize(("length", "n"), [(2500, 10), (60_000, 20_000), (300_000, 10_000)])
def test_names_that_repeat_a_long_one_are_refused_before_they_are_made(
    tmp_path: Path, write_table: Table, length: int, n: int
) -> None:
    numbered = ((length, k.to_bytes(4, "big"), b"") for k in range(n))
    content = entries((0, b"", HEADER), (0, b"a" * length, b""), *numbered) + RESTARTS
    with refused(WeightsMismatch, r"x\.index cannot be read \(it has [\d,]+ bytes in one name"):
        TensorBundle(index_of(tmp_path, write_table([content])))


def test_names_are_together_no_longer_than_an_index(tmp_path: Path, write_table: Table) -> None:
    numbered = ((1900, k.to_bytes(4, "big"), b"") for k in range(20_000))
    content = entries((0, b"", HEADER), (0, b"a" * 1900, b""), *numbered) + RESTARTS
    with refused(WeightsMismatch, "bytes of names, or more, more than the"):
        TensorBundle(index_of(tmp_path, write_table([content])))


def test_an_index_of_too_many_entries_is_refused(tmp_path: Path, write_table: Table) -> None:
    numbered = ((1, k.to_bytes(4, "big"), b"") for k in range(31_000))
    content = entries((0, b"", HEADER), (0, b"a", b""), *numbered) + RESTARTS
    with refused(WeightsMismatch, r"it has 30,001 entries, or more, more than the 30,000 allowed"):
        TensorBundle(index_of(tmp_path, write_table([content])))


def test_a_block_that_is_named_again_and_again_is_read_once(
    tmp_path: Path, write_table: Table
) -> None:
    hollow = RESTARTS[:4] * 10**5 + (10**5).to_bytes(4, "little")
    handle = varint(0) + varint(len(hollow))
    names = [(k.to_bytes(4, "big"), handle) for k in range(2000)]
    whole = write_table([hollow])
    # The list of blocks is put in place of the true one.
    from tests import tfcheckpoint

    listed = tfcheckpoint.block(names) + b"\0"
    end = len(hollow) + 5 + len(block([])) + 5
    footer = (
        varint(len(hollow) + 5) + varint(len(block([]))) + varint(end) + varint(len(listed) - 1)
    )
    checksum = tfcheckpoint.masked_crc(listed).to_bytes(4, "little")
    content = whole[:end] + listed + checksum + footer.ljust(40, b"\0") + whole[-8:]
    with refused(WeightsMismatch, "its blocks are not in order, or one is there twice"):
        TensorBundle(index_of(tmp_path, content))


@pytest.mark.parametrize(
    "value",
    [
        field(2, field(2, field(1, 1)) * 10**5),
        field(2, b"") * 10**5,
        b"\x08\x01" * 10**6,
        field(2, field(2, field(1, 2**62)) * 60),
        field(5, 2**63 - 1) + field(4, 2**63 - 1),
    ],
    ids=["axes", "shapes", "types", "a product of thousand digits", "a size beyond the file"],
)
def test_an_entry_of_many_fields_is_refused(
    tmp_path: Path, write_table: Table, value: bytes
) -> None:
    content = entries((0, b"", HEADER), (0, b"a", field(1, 1) + value)) + RESTARTS
    with refused(WeightsMismatch, "more than 64 fields|which is no float32 of shape"):
        TensorBundle(index_of(tmp_path, write_table([content])))


@pytest.mark.parametrize("n_shards", [0, 100_000, 2**63])
def test_an_index_of_impossibly_many_data_files_is_refused(
    tmp_path: Path, write_table: Table, n_shards: int
) -> None:
    content = entries((0, b"", field(1, n_shards) + field(2, 0))) + RESTARTS
    with refused(WeightsMismatch, "data files it speaks of"):
        TensorBundle(index_of(tmp_path, write_table([content])))


def test_a_name_that_draws_on_the_terminal_is_shown(tmp_path: Path, write_table: Table) -> None:
    sliced = field(1, 1) + b"\x3a\x00"
    content = entries((0, b"", HEADER), (0, b"\x1b[2Ja\r\n\xff", sliced)) + RESTARTS
    with refused(WeightsMismatch, r"\\x1b\[2Ja\\r\\n\\xff was saved in slices"):
        TensorBundle(index_of(tmp_path, write_table([content])))


def test_an_index_that_is_no_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.index").symlink_to("/dev/zero")
    with refused(WeightsMismatch, r"x\.index cannot be read \(it is no regular file\)"):
        TensorBundle(tmp_path / "x")
    os.mkfifo(tmp_path / "y.index")
    with refused(WeightsMismatch, r"y\.index cannot be read \(it is no regular file\)"):
        TensorBundle(tmp_path / "y")
    with (tmp_path / "z.index").open("wb") as file:
        file.truncate(10**10)
    with refused(WeightsMismatch, r"z\.index cannot be .* 10,000,000,000 bytes, more than the"):
        TensorBundle(tmp_path / "z")
    (tmp_path / "folder.index").mkdir()
    with refused(WeightsMismatch, r"folder\.index cannot be read"):
        TensorBundle(tmp_path / "folder")
    with pytest.raises(UsageError, match="no checkpoint index"):
        TensorBundle(tmp_path / "gone")


def test_an_index_of_thousands_of_variables_is_read(
    tmp_path: Path, write_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # EfficientNet-L1 with all that its training leaves has some 12,000.
    scope = "efficientnet-bL1/blocks_1/conv2d/kernel/ExponentialMovingAverage"
    variables = {f"{scope}/{k}": np.full((1, 1), k, "float32") for k in range(12_000)}
    prefix = write_bundle(tmp_path / "x", variables)
    started = time.monotonic()
    bundle = TensorBundle(prefix)
    assert len(bundle.variables) == 12_000
    assert time.monotonic() - started < 10  # a fifth of a second, alone
    assert bundle.read(f"{scope}/7").tolist() == [[7.0]]
    monkeypatch.setenv(VARIABLE, "index_entries=11999")
    with pytest.raises(WeightsMismatch, match="SAT_ZOO_LIMITS=index_entries=12000 allows them"):
        TensorBundle(prefix)
