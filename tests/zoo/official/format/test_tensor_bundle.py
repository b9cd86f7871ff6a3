import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eval.errors import SatZooError, UsageError, WeightsMismatch
from zoo.official import TensorBundle
from zoo.official.format.table import masked_crc, read_table

Write = Callable[..., Path]
PAGE = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ARRAYS = hnp.arrays(
    st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
)


@pytest.fixture
def small(tmp_path: Path, write_bundle: Write) -> Path:
    variables = {
        "conv/W": np.arange(24, dtype="float32").reshape(2, 3, 4),
        "conv/bn/mean/EMA": np.array([0.5, -1.5], "float32"),
        "global_step": np.array(123456, "int64"),
    }
    return write_bundle(tmp_path / "small", variables)


def data_of(prefix: Path) -> Path:
    return Path(f"{prefix}.data-00000-of-00001")


def index_of(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


@settings(max_examples=60, deadline=None)
@given(
    variables=st.dictionaries(NAMES, ARRAYS, max_size=8),
    n_shards=st.integers(1, 3),
    per_block=st.integers(1, 4),
)
def test_what_was_saved_is_read(
    write_bundle: Write, variables: dict[str, Any], n_shards: int, per_block: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prefix = write_bundle(Path(folder) / "x", variables, n_shards=n_shards, per_block=per_block)
        bundle = TensorBundle(prefix)
        assert list(bundle.variables) == sorted(variables, key=str.encode)
        for name, array in variables.items():
            read = bundle.read(name)
            assert (read.dtype, read.shape) == (array.dtype, array.shape)
            assert read.tobytes() == array.tobytes()


def test_the_checksum_is_crc32c() -> None:
    # The check value of the CRC catalogue for "123456789", masked by hand.
    crc = 0xE3069283
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_wrong_bit_of_any_tensor_is_noticed(
    write_bundle: Write, place: float, bit: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        variables = {"a": np.ones(3, "float32"), "b": np.zeros((2, 2), "int64")}
        prefix = write_bundle(Path(folder) / "x", variables)
        content = bytearray(data_of(prefix).read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        data_of(prefix).write_bytes(content)
        bundle = TensorBundle(prefix)
        name = "a" if int(place * len(content)) < 12 else "b"
        with pytest.raises(WeightsMismatch, match=f"the bytes of {name} do not have the checksum"):
            bundle.read(name)


def test_one_wrong_bit_of_the_index_is_noticed_or_harmless(small: Path) -> None:
    whole = index_of(small).read_bytes()
    expected = TensorBundle(small).variables
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        index_of(small).write_bytes(broken)
        try:
            # A bit of the unused part of the footer.
            assert TensorBundle(small).variables == expected
        except WeightsMismatch:
            continue
        assert place > len(whole) - 48


def test_an_index_cut_anywhere_is_refused(small: Path) -> None:
    whole = index_of(small).read_bytes()
    for length in range(len(whole)):
        index_of(small).write_bytes(whole[:length])
        with pytest.raises(WeightsMismatch, match="not the index of a TensorFlow checkpoint"):
            TensorBundle(small)


@settings(max_examples=150, deadline=None)
@given(blocks=st.lists(st.binary(max_size=40), max_size=3))
def test_nonsense_with_right_checksums_is_an_error_and_never_a_crash(
    write_table: Callable[..., bytes], blocks: list[bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.index").write_bytes(write_table(blocks))
        with pytest.raises(SatZooError):
            TensorBundle(Path(folder, "x"))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (b"\x01\x00\x00", "shares more than the name before it has"),
        (b"\x00\x7f\x00", "ends before its length"),
        (b"\x00\x01\x00b" + b"\x00\x01\x00a", "not in order"),
        (b"\x80" * 10 + b"\x01", "more than 64 bits"),
    ],
)
def test_a_damaged_entry_is_said_to_be_one(
    tmp_path: Path, write_table: Callable[..., bytes], entries: bytes, said: str
) -> None:
    restarts = b"\0\0\0\0\1\0\0\0"
    with pytest.raises(WeightsMismatch, match=f"is damaged: .*{said}"):
        list(read_table(tmp_path / "x.index", write_table([entries + restarts])))


def test_a_truncated_data_file_is_refused_at_once(small: Path) -> None:
    data_of(small).write_bytes(data_of(small).read_bytes()[:-1])
    with pytest.raises(WeightsMismatch, match="is truncated: it has 111 bytes and the index needs"):
        TensorBundle(small)


def test_a_missing_data_file_is_named(tmp_path: Path, write_bundle: Write) -> None:
    variables = {"a": np.ones(2, "float32"), "b": np.ones(2, "float32")}
    prefix = write_bundle(tmp_path / "x", variables, n_shards=2)
    Path(f"{prefix}.data-00001-of-00002").unlink()
    with pytest.raises(WeightsMismatch, match="data-00001-of-00002 is missing: it must lie beside"):
        TensorBundle(prefix)


def test_a_file_that_vanishes_after_the_first_look_is_an_error(small: Path) -> None:
    bundle = TensorBundle(small)
    data_of(small).unlink()
    with pytest.raises(WeightsMismatch, match=r"cannot be read \(No such file"):
        bundle.read("conv/W")


@pytest.mark.parametrize("path_of", [index_of, data_of])
def test_a_web_page_is_called_a_web_page(small: Path, path_of: Callable[[Path], Path]) -> None:
    path_of(small).write_bytes(b"\xef\xbb\xbf\n" + PAGE * 40)
    with pytest.raises(WeightsMismatch, match="begins like a web page, so the server refused"):
        TensorBundle(small)


def test_a_missing_index_is_wrong_usage_and_names_its_neighbours(small: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkpoint index .*other.index: .* small.index"):
        TensorBundle(small.parent / "other")
    with pytest.raises(UsageError, match="holds no index at all"):
        TensorBundle(small.parent / "nowhere" / "other")


@pytest.mark.parametrize("suffix", [".index", ".meta", ".data-00000-of-00001"])
def test_the_path_of_a_file_stands_for_its_prefix(small: Path, suffix: str) -> None:
    assert TensorBundle(f"{small}{suffix}").variables == TensorBundle(small).variables


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compression": 1}, "is compressed with Snappy"),
        ({"compression": 9}, "unknown compression 9"),
        ({"endianness": 1}, "was written by a big-endian machine"),
        ({"n_shards": 0}, "it does not have|data files it speaks of"),
        ({"extra": b"\x3a\x00"}, "was saved in slices"),
        ({"extra": b"\x28\x05"}, "has 5 bytes, which is no float32 of shape"),
        ({"extra": b"\x0a\x00"}, "field 1 is not a number"),
        ({"extra": b"\x10\x01"}, "field 2 is not a message"),
        ({"extra": b"\x0f"}, "unknown wire type 7"),
        ({"extra": b"\x18\x07"}, "do not lie in the 1 data files"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, write_bundle: Write, options: dict[str, Any], said: str
) -> None:
    variables = {} if options.get("n_shards") == 0 else {"a": np.ones(3, "float32")}
    write_bundle(tmp_path / "x", variables, **options)
    with pytest.raises(WeightsMismatch, match=said):
        TensorBundle(tmp_path / "x")


def test_an_index_without_header_is_refused(
    tmp_path: Path, write_table: Callable[..., bytes]
) -> None:
    (tmp_path / "x.index").write_bytes(write_table([]))
    with pytest.raises(WeightsMismatch, match="it has no header"):
        TensorBundle(tmp_path / "x")


def test_a_type_without_numbers_is_listed_but_not_read(tmp_path: Path, write_bundle: Write) -> None:
    prefix = write_bundle(tmp_path / "x", {"a": np.ones(3, "float32")}, extra=b"\x08\x07")
    bundle = TensorBundle(prefix)
    assert bundle.variables["a"].dtype == "TensorFlow's type 7"
    with pytest.raises(WeightsMismatch, match="a is of TensorFlow's type 7, which cannot be read"):
        bundle.read("a")


def test_an_unknown_variable_gets_the_nearest_names(small: Path) -> None:
    with pytest.raises(UsageError, match="unknown variable 'conv/V': did you mean conv/W"):
        TensorBundle(small).read("conv/V")


def test_reading_checkpoints_needs_no_torch() -> None:
    imports = "import sys, zoo.official.format.tensor_bundle, zoo.weights.store"
    code = f"{imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
