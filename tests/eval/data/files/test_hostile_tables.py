"""Tables of pictures that ask for more than they are, or are of other things."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eval.data import open_data
from eval.data.files.parquet import list_parquet
from eval.data.files.pictures import to_rgb
from eval.errors import DataError
from eval.files.limits import VARIABLE
from tests.bounded import complaint, refused

needs_parquet = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow")


def encoded(picture: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


def table(path: Path, picture: list[Any], label: list[Any], **options: Any) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = pa.table({"image": picture, "label": label})
    pq.write_table(made, path, **options)
    return path


@needs_parquet
@pytest.mark.parametrize(
    ("picture", "label", "said"),
    [
        ([{"bytes": b"x", "path": "a"}], [[1]], "its labels are of the type list"),
        ([{"bytes": b"x", "path": "a"}], ["1"], "its labels are of the type string"),
        ([{"bytes": b"x", "path": "a"}], [1.5], "its labels are of the type double"),
        ([{"bytes": b"x", "path": "a"}], [{"a": 1}], "its labels are of the type struct"),
        ([{"bytes": b"x", "path": "a"}], [True], "its labels are of the type bool"),
        ([{"bytes": b"x", "path": "a"}] * 2, [1, None], "its label None is no number of a class"),
        ([{"bytes": b"x", "path": "a"}], [2**62], "its label 4611686018427387904 is no number"),
        ([b"x"], [1], "its column image holds no files with bytes and a path"),
        ([{"bytes": "x", "path": "a"}], [1], "its column image holds no files"),
        ([{"bytes": [1, 2], "path": "a"}], [1], "its column image holds no files"),
        ([{"path": "a"}], [1], "its column image holds no files"),
        ([3], [1], "its column image holds no files"),
    ],
)
def test_a_table_of_other_types_is_one_sentence(
    tmp_path: Path, picture: list[Any], label: list[Any], said: str
) -> None:
    table(tmp_path / "val-0.parquet", picture, label)
    with refused(DataError, rf"val-0\.parquet cannot be read \({said}"):
        open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb)


def read_table(path: Path) -> list[bytes]:
    store = list_parquet([path], ("image",))
    return [store.read(i) for i in range(len(store.labels))]


@needs_parquet
@pytest.mark.parametrize("picture", [None, {"bytes": None, "path": "a"}])
def test_a_row_without_a_picture_is_named(tmp_path: Path, picture: Any) -> None:
    rows = [{"bytes": b"x", "path": "a"}, picture]
    store = list_parquet([table(tmp_path / "val-0.parquet", rows, [1, 2])], ("image",))
    assert store.read(0) == b"x"
    with refused(DataError, r"val-0\.parquet: row 1 of its group, \w+ cannot be read \(there"):
        store.read(1)


@needs_parquet
@pytest.mark.parametrize("compression", ["zstd", "gzip", "brotli", "snappy"])
def test_a_picture_of_a_table_is_not_larger_than_a_picture(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "picture_bytes=1e6")
    rows = [{"bytes": bytes(2 * 10**6), "path": "a"}]
    path = table(tmp_path / "val-0.parquet", rows, [1], compression=compression)
    with refused(DataError, r"it has 2,000,000 bytes, more than the"):
        list_parquet([path], ("image",)).read(0)


def number(value: int) -> bytes:
    """As Thrift's compact protocol writes a positive whole number."""
    value, out = 2 * value, b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@needs_parquet
@pytest.mark.parametrize("compression", ["zstd", "gzip", "brotli"])
def test_a_page_that_unpacks_to_more_than_the_table_says_is_refused_before_it_is(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "group_bytes=2e7")
    rows = [{"bytes": bytes(3 * 10**7), "path": "a"}]
    plain = {"use_dictionary": False, "write_statistics": False}
    path = table(tmp_path / "val-0.parquet", rows, [1], compression=compression, **plain)
    import pyarrow.parquet as pq

    size = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    content = path.read_bytes()
    before, found, after = content.rpartition(number(size))
    assert found
    less = bytes(byte | 128 for byte in number(1000)).ljust(len(found) - 1, b"\x80") + b"\0"
    path.write_bytes(before + less + after)
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 1000
    store = list_parquet([path], ("image",))
    with refused(DataError, r"it has 30,[\d,]+ bytes in the pages of a column, or more"):
        store.read(0)


@needs_parquet
@pytest.mark.parametrize("n", [1, 3, 400])
def test_a_value_that_many_rows_repeat_is_not_made_for_all_of_them(
    tmp_path: Path, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    monkeypatch.setenv(VARIABLE, "picture_bytes=1e6")
    one = pa.array([{"bytes": bytes(3 * 10**6), "path": "a" * 1500}])
    picture = one.take(pa.array(np.zeros(n, np.int64)))
    path = table(tmp_path / "val-0.parquet", picture, [1] * n, dictionary_pagesize_limit=10**9)
    assert path.stat().st_size < 10**6
    store = list_parquet([path], ("image",))
    assert store.names == ("a" * 1500,) * n
    with refused(DataError, "bytes in a group of rows, or more|it has 3,000,000 bytes"):
        store.read(0)


@needs_parquet
def test_values_that_are_differences_are_not_read(tmp_path: Path) -> None:
    picture = [{"bytes": b"a" * k, "path": "a"} for k in range(9)]
    encoded_as = {"column_encoding": {"image.bytes": "DELTA_BYTE_ARRAY"}, "use_dictionary": False}
    store = list_parquet(
        [table(tmp_path / "v.parquet", picture, [1] * 9, **encoded_as)], ("image",)
    )
    with refused(DataError, "its values are stored as differences, which is not read"):
        store.read(0)


@needs_parquet
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
def test_a_table_gives_back_what_was_put_in(tmp_path: Path, version: str, compression: str) -> None:
    rng = np.random.default_rng(3)
    files = [rng.bytes(int(n)) for n in rng.integers(0, 5000, 900)]
    picture = [{"bytes": one, "path": f"{k}.png"} for k, one in enumerate(files)]
    form = {"row_group_size": 250, "data_page_size": 10**4, "data_page_version": version}
    labels = [k % 7 for k in range(900)]
    path = table(tmp_path / "v.parquet", picture, labels, compression=compression, **form)
    store = list_parquet([path], ("image",))
    assert [store.read(k) for k in range(900)] == files
    assert (store.labels, store.names) == (tuple(labels), tuple(f"{k}.png" for k in range(900)))


@needs_parquet
def test_a_table_of_too_many_rows_is_refused_before_it_is_read(tmp_path: Path) -> None:
    import pyarrow as pa

    n = 3 * 10**6
    picture = pa.array([{"bytes": b"", "path": ""}]).take(pa.array(np.zeros(n, np.int64)))
    path = table(tmp_path / "val-0.parquet", picture, pa.array(np.zeros(n, np.int64)))
    assert path.stat().st_size < 10**6
    with refused(DataError, r"it has 3,000,000 rows, more than the 200,000 allowed"):
        list_parquet([path], ("image",))


@needs_parquet
def test_a_table_cut_or_with_a_wrong_bit_is_one_sentence(tmp_path: Path) -> None:
    picture = {"bytes": encoded(Image.new("RGB", (4, 4)), "PNG"), "path": "a"}
    path = table(tmp_path / "val-0.parquet", [picture] * 3, [1, 2, 3])
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for place in rng.integers(0, len(whole), 200).tolist():
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(0, 8))
        for content in (whole[:place], bytes(broken)):
            path.write_bytes(content)
            said = complaint(lambda: read_table(path))
            assert "val-0.parquet" in said or not said
