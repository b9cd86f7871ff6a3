"""CIFAR-10 from files that somebody changed, cut, inflated or made into something else."""

import csv
import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.data import open_data
from eval.data.cifar10 import exact
from eval.data.cifar10.jpeg import read_jpegs
from eval.data.files.npz import read_npz
from eval.errors import DataError
from tests.bounded import complaint, refused

FIRST = "official_test_first_1017.npz"


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content


def described(descr: object = "|u1", shape: object = (1017, 32, 32, 3)) -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}"


def npz_of(folder: Path, images: bytes, labels: bytes) -> Path:
    path = folder / FIRST
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", images)
        archive.writestr("labels.npy", labels)
    return path


@pytest.fixture
def true(shared: Path) -> bytes:
    return (shared / "data/cifar10" / FIRST).read_bytes()


@pytest.mark.parametrize("place", range(1, 13))
def test_a_flipped_bit_of_the_first_pictures_is_one_sentence(
    tmp_path: Path, true: bytes, place: int
) -> None:
    content = bytearray(true)
    content[place * len(content) // 13] ^= 1 << place % 8
    (tmp_path / FIRST).write_bytes(content)
    with refused(DataError, rf"{FIRST} (cannot be read|is damaged).*fetch it again"):
        open_data("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
def test_first_pictures_that_are_cut_short_are_one_sentence(
    tmp_path: Path, true: bytes, share: float
) -> None:
    (tmp_path / FIRST).write_bytes(true[: int(share * len(true))])
    with refused(DataError, rf"{FIRST} cannot be read .*fetch it again"):
        open_data("cifar10", data_dir=tmp_path)


HEADERS = {
    "a million million elements": described(shape=(10**6, 10**6)),
    "more than 64 bits": described(shape=(2**32, 2**32)),
    "as many as wrap around": described(shape=(2**63, 2)),
    "a thousand digits": described(shape=(10**1000,)),
    "too many digits": "{'descr': '|u1', 'fortran_order': False, 'shape': (1" + "0" * 5000 + ",)}",
    "negative": described(shape=(-1, -3)),
    "objects": described("|O", (3,)),
    "text": described("<U3", (3,)),
    "records": described([("a", "|u1")], (3,)),
    "wide elements": described("|V1000000000", (10**6,)),
    "a program": "__import__('os').system('touch trap')",
    "brackets": "(" * 9000,
    "nothing": "",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_what_the_header_of_an_array_says_is_not_believed(tmp_path: Path, header: str) -> None:
    npz_of(tmp_path, npy(header, b"abc"), npy(described(shape=(3,)), b"abc"))
    with refused(DataError, rf"{FIRST} cannot be read \("):
        open_data("cifar10", data_dir=tmp_path)
    assert not Path("trap").exists()


@pytest.mark.parametrize("descr", ["|i1", "<f4", "<i8"])
def test_arrays_of_another_type_are_not_the_pictures(
    tmp_path: Path, true: bytes, descr: str
) -> None:
    with np.load(io.BytesIO(true)) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    dtype = np.dtype(descr)
    images = images.view(dtype) if dtype.itemsize == 1 else images.astype(dtype)
    np.savez(tmp_path / FIRST, images=images, labels=labels)
    with refused(DataError, rf"its arrays are {dtype} and uint8"):
        open_data("cifar10", data_dir=tmp_path)


def test_pickled_arrays_and_arrays_that_are_missing_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / FIRST, images=np.array([{}]), labels=np.zeros(3, np.uint8))
    with refused(DataError, "no numbers"):
        open_data("cifar10", data_dir=tmp_path)
    np.savez(tmp_path / FIRST, pictures=np.zeros(3, np.uint8))
    with refused(DataError, "it holds no array 'images'"):
        open_data("cifar10", data_dir=tmp_path)
    npz_of(tmp_path, npy(described()) + bytes(300 * 10**6), b"")
    with refused(DataError, "bytes when unpacked, more than the"):
        open_data("cifar10", data_dir=tmp_path)


def test_arrays_come_back_as_they_were_saved(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(24, dtype=">i2").reshape(2, 3, 4),
        "b": np.asfortranarray(np.random.default_rng(0).random((5, 2))),
        "c": np.array(3.5),
        "d": np.zeros((0, 3), bool),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    found = read_npz(tmp_path / "x.npz", list(arrays), "batch_bytes")
    for mine, theirs in zip(found, arrays.values(), strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        assert np.array_equal(mine, theirs)


def archive(folder: Path, *members: tarfile.TarInfo, kind: str = "python") -> Path:
    path = folder / f"cifar-10-{kind}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        for member in members:
            made.addfile(member, _Zeros() if member.isreg() else None)
    return path


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
    made.size = size
    for key, value in fields.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                  tarfile.FIFOTYPE, tarfile.DIRTYPE])  # fmt: skip
@pytest.mark.parametrize("target", ["/etc/passwd", "test_batch", "../../x"])
def test_a_batch_that_is_a_link_or_a_device_is_one_sentence(
    tmp_path: Path, kind: bytes, target: str
) -> None:
    archive(tmp_path, member("test_batch", type=kind, linkname=target))
    with refused(DataError, r"python\.tar\.gz cannot be read \(cifar-10-.*/test_batch is a link"):
        open_data("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["test_batch", "readme.html"])
def test_a_member_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    block = member(name, 1500 * 10**6).tobuf()
    path.write_bytes(gzip.compress(block) + gzip.compress(bytes(15 * 10**6), 1) * 100)
    with refused(DataError, r"it has 1,500,0\d\d,\d\d\d bytes"):
        open_data("cifar10", data_dir=tmp_path)


def test_an_archive_of_many_members_without_a_batch_is_left(tmp_path: Path) -> None:
    archive(tmp_path, *(member(f"{k}") for k in range(1_001)))
    with refused(DataError, "it has more than 1,000 members"):
        open_data("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_archive_that_is_cut_is_one_sentence(tmp_path: Path, batches, share: float) -> None:
    labels, images = batches[5][1], batches[5][0]
    data = np.concatenate([labels[:, None], images.reshape(4, -1)], axis=1).tobytes()
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        made.addfile(member("test_batch.bin", len(data)), io.BytesIO(data))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content)) - 60])
    with refused(DataError, r"binary\.tar\.gz (cannot be read|is incomplete)"):
        open_data("cifar10", data_dir=tmp_path)
    for place in range(20, len(content), len(content) // 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        said = complaint(lambda: open_data("cifar10", data_dir=tmp_path))
        # A bit that no picture needs is none that matters: the pictures are proved.
        assert "binary.tar.gz" in said or not said


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02" + b"K\x00" * 10**6,
        b"\x80\x02]" + b"(" * 10**6 + b".",
        b"\x80\x02\x8b\xff\xff\xff\x7f",
        b"I" + b"9" * 10**5 + b"\n.",
        b"X\xff\xff\xff\x7fabc",
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\xff\xfe" * 10,
    ],
    ids=["long", "deep", "number", "digits", "text", "longer text", "nonsense"],
)
def test_a_batch_that_is_a_strange_program_is_one_sentence(tmp_path: Path, program: bytes) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(program)
    with refused(DataError, r"batches-py/test_batch (cannot be read|is damaged)"):
        open_data("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("layout", ["py", "bin"])
def test_a_batch_that_never_ends_or_is_too_large_is_refused(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / f"cifar-10-batches-{layout}"
    folder.mkdir()
    batch = folder / ("test_batch" if layout == "py" else "test_batch.bin")
    with batch.open("wb") as file:
        file.truncate(2 * 10**9)
    with refused(DataError, r"it has 2,000,000,000 bytes, more than the [\d,]+ allowed; .*batch_b"):
        open_data("cifar10", data_dir=tmp_path)
    batch.unlink()
    batch.symlink_to("/dev/zero")
    with refused(DataError, f"incomplete: {batch.name} is missing"):
        open_data("cifar10", data_dir=tmp_path)


SOURCES: dict[str, Callable[[Path], Path]] = {
    "zip": lambda folder: _zip(folder / "test.zip"),
    "tar": lambda folder: _tar(folder / "test.tar.gz"),
    "folder": lambda folder: _folder(folder / "test"),
}


def _zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        made.writestr("cat/0.jpg", bytes(300 * 10**6))
    return path


def _tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        one = tarfile.TarInfo("cat/0.jpg")
        one.size = 300 * 10**6
        made.addfile(one, _Zeros())
    return path


def _folder(path: Path) -> Path:
    (path / "cat").mkdir(parents=True)
    os.mkfifo(path / "cat/0.jpg")
    return path


@pytest.mark.parametrize("source", SOURCES)
def test_a_lossy_copy_is_read_within_the_limits(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.data.cifar10.jpeg._read_order", lambda *_: (["cat/0.jpg"], None))
    path = SOURCES[source](tmp_path)
    with refused(DataError, r"300,000,000 bytes|no regular file"):
        read_jpegs(path, tmp_path / "test_order.csv", "test")


def test_numbers_in_names_are_no_numbers_of_any_size(tmp_path: Path, png, write) -> None:
    monkey = {f"cat/{'9' * n}.png": png(n, 32, 32) for n in (1, 20, 200, 240)}
    write(tmp_path / "test", monkey)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK", 4)
        assert open_data("cifar10", data_dir=tmp_path).name == "cifar10-folder"


def test_an_order_with_a_field_of_megabytes_is_one_sentence(tmp_path: Path, png, write) -> None:
    write(tmp_path / "test", {"cat/1.png": png(1, 32, 32)})
    text = io.StringIO()
    csv.writer(text).writerows([["file"], ["x" * 10**6]])
    (tmp_path / "test_order.csv").write_text(text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK", 1)
        with refused(DataError, r"test_order\.csv cannot be read \(field larger than"):
            open_data("cifar10", data_dir=tmp_path)
