"""Archives that say more than they hold, hold more than they say, or are no plain files at all."""

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.data import open_data, open_folder
from eval.data.files.pictures import to_rgb
from eval.data.files.stores import list_folder, list_tars, list_zip
from eval.errors import DataError
from eval.files.limits import VARIABLE
from tests.bounded import refused

NAME = "val/n01440764/ILSVRC2012_val_00000293.JPEG"


def zip_of(path: Path, *entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)  # of names that stand twice
                archive.writestr(name, data)
    return path


def changed(path: Path, mark: bytes, at: int, value: bytes) -> None:
    """Overwrite bytes of every header that begins with `mark`."""
    content = bytearray(path.read_bytes())
    place = content.find(mark)
    while place >= 0:
        content[place + at : place + at + len(value)] = value
        place = content.find(mark, place + 4)
    path.write_bytes(content)


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def test_an_entry_that_unpacks_beyond_the_limit_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    store = list_zip(zip_of(tmp_path / "val.zip", (NAME, bytes(300 * 10**6))))
    with refused(DataError, r"val\.zip: val/n01.*300,000,000 bytes when unpacked.*picture_bytes"):
        store.read(0)


@pytest.mark.parametrize("said", [0, 1, 999, 4 * 10**6])
def test_an_entry_that_unpacks_to_another_size_than_it_says_is_refused(
    tmp_path: Path, said: int
) -> None:
    path = zip_of(tmp_path / "val.zip", (NAME, bytes(8 * 10**6)))
    changed(path, b"PK\x01\x02", 24, struct.pack("<I", said))
    with refused(DataError, r"cannot be read \(it unpacks to more than the [\d,]+ bytes that it"):
        list_zip(path).read(0)


def test_an_entry_that_is_shorter_than_it_says_is_cut_off(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val.zip", (NAME, b"abc" * 100))
    changed(path, b"PK\x01\x02", 24, struct.pack("<I", 301))
    with refused(DataError, "it is cut off"):
        list_zip(path).read(0)
    path = zip_of(tmp_path / "val.zip", (NAME, b"abc"), method=zipfile.ZIP_STORED)
    changed(path, b"PK\x01\x02", 20, struct.pack("<II", 2**26, 2**26))
    with refused(DataError, "it is cut off"):
        list_zip(path).read(0)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_an_entry_is_noticed(tmp_path: Path, bit: int) -> None:
    path = zip_of(tmp_path / "val.zip", (NAME, bytes(range(256)) * 9))
    start = list_zip(path).pieces[0].start
    for place in range(start, start + 40):
        content = bytearray(path.read_bytes())
        content[place] ^= 1 << bit
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(DataError, match=r"x\.zip: val/n01440764/.* cannot be read"):
            list_zip(tmp_path / "x.zip").read(0)


def test_an_archive_cut_anywhere_is_one_sentence(tmp_path: Path) -> None:
    packed = zip_of(tmp_path / "a.zip", (NAME, b"a" * 50)).read_bytes()
    plain = tar_of(tmp_path / "a.tar", (member(NAME, 50), b"a" * 50)).read_bytes()[:1024]
    for length in range(0, len(packed), 3):
        (tmp_path / "x.zip").write_bytes(packed[:length])
        with pytest.raises(DataError, match=r"x\.zip cannot be read"):
            list_zip(tmp_path / "x.zip")
    for length in range(0, 560, 7):
        (tmp_path / "x.tar").write_bytes(plain[:length])
        with pytest.raises(DataError, match=r"x\.tar cannot be read"):
            list_tars([tmp_path / "x.tar"])


def test_encrypted_entries_are_refused_where_they_are_pictures(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val.zip", (NAME, b"x"))
    changed(path, b"PK\x01\x02", 8, b"\1\0")
    with refused(DataError, r"val\.zip cannot be read \(val/n01440764/.* is encrypted\)"):
        list_zip(path)
    path = zip_of(tmp_path / "val.zip", ("secret.txt", b"x"))
    changed(path, b"PK\x01\x02", 8, b"\1\0")
    assert list_zip(path).names == ()


@pytest.mark.parametrize("offset", [1, 2**31, 2**32 - 2])
def test_an_entry_that_lies_elsewhere_than_the_archive_says_is_refused(
    tmp_path: Path, offset: int
) -> None:
    path = zip_of(tmp_path / "val.zip", (NAME, b"x"))
    changed(path, b"PK\x01\x02", 42, struct.pack("<I", offset))
    with refused(DataError, r"val\.zip cannot be read \("):
        list_zip(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"val.{kind}"
    if kind == "zip":
        zip_of(path, (NAME, b"a"), (NAME, b"b"))
    else:
        tar_of(path, (member(NAME, 1), b"a"), (member(f"./{NAME}", 1), b"b"))
    with refused(DataError, rf"val\.{kind} cannot be read \({NAME} is in it 2 times\)"):
        list_zip(path) if kind == "zip" else list_tars([path])


def test_a_name_that_draws_on_the_terminal_is_shown_and_not_drawn(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val.zip", ("a/\x1b[2J\rgood\u202e.png", b"no picture"))
    with refused(DataError, r"a/\\x1b\[2J\\rgood\\u202e\.png cannot be decoded"):
        from eval.data.files.pictures import read_picture

        store = list_zip(path)
        read_picture(store.read(0), store.where(0), to_rgb)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                  tarfile.BLKTYPE, tarfile.FIFOTYPE])  # fmt: skip
def test_members_that_are_links_or_devices_are_never_pictures(tmp_path: Path, kind: bytes) -> None:
    odd = member("a/1.png", type=kind, linkname="/etc/passwd", devmajor=1, devminor=5)
    store = list_tars([tar_of(tmp_path / "val.tar", (odd, b""))])
    assert store.names == ()
    assert [str(one) for one in store.passed] == [
        "1 folder without pictures (a)",
        "1 link or special file (a/1.png)",
    ]


def test_a_sparse_member_is_never_a_picture(tmp_path: Path) -> None:
    fields = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**12)}
    odd = member("a/1.png", 1, pax_headers=fields)
    assert list_tars([tar_of(tmp_path / "val.tar", (odd, b"x"))]).names == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: member("x" * 3 * 2**20, 0), "the header of a member in it says"),
        (lambda: member("x", 0, pax_headers={"comment": "y" * 3 * 2**20}), "the header of a mem"),
        (lambda: member("x", 0, pax_headers={"size": "-512"}), "negative size|cannot be read"),
        (lambda: member("x", 0, pax_headers={"size": str(10**30)}), "cannot be read"),
    ],
    ids=["name", "comment", "negative", "huge"],
)
def test_headers_of_a_tar_are_bounded(
    tmp_path: Path, make: Callable[[], tarfile.TarInfo], said: str
) -> None:
    path = tar_of(tmp_path / "val.tar", (make(), b""), (member("b.png", 1), b"b"))
    with refused(DataError, said):
        list_tars([path])


def test_a_member_that_is_larger_than_a_picture_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "val.tar"
    with path.open("wb") as file:
        file.write(member("a/1.png", 1500 * 10**6).tobuf())
        file.truncate(1600 * 10**6)  # takes no room on the disk
    store = list_tars([path])
    with refused(DataError, r"val\.tar: a/1\.png cannot be read \(it has 1,500,000,000 bytes"):
        store.read(0)
    monkeypatch.setenv(VARIABLE, "members=1")
    tar_of(path, (member("a.png", 1), b"a"), (member("b.png", 1), b"b"))
    with refused(DataError, "it has 2 members, more than the 1 allowed"):
        list_tars([path])


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/random", "fifo"])
def test_a_link_to_what_never_ends_is_no_picture(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "set/a").mkdir(parents=True)
    (tmp_path / "set/a/1.png").symlink_to(tmp_path / target)
    with refused(DataError, r"a/1\.png cannot be read \(it is no regular file\)"):
        open_folder(tmp_path / "set", n_decoders=0).batch([0])


def test_a_folder_that_is_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a/1.png").mkdir(parents=True)
    assert list_folder(tmp_path).names == ()


def test_a_file_larger_than_a_picture_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with (tmp_path / "a/1.png").open("wb") as file:
        file.truncate(10**12)
    with refused(DataError, r"1\.png cannot be read \(it has 1,000,000,000,000 bytes, more than"):
        open_folder(tmp_path, n_decoders=0).batch([0])


def test_folders_that_link_to_themselves_are_not_walked_without_end(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "two", "three"):
        (tmp_path / f"a/b/{name}").symlink_to(tmp_path / "a")
    with refused(DataError, "links to a folder that it lies in"):
        list_folder(tmp_path)


def test_pipes_named_as_shards_and_archives_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "imagenet-val-00.tar")
    with refused(DataError, r"val-00\.tar cannot be read \(it is no regular file\)"):
        open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb)
    (tmp_path / "imagenet-val-00.tar").unlink()
    for name in ("val.zip", "test.zip", "val-0.parquet", "test_batch"):
        os.mkfifo(tmp_path / name)
    for name in ("imagenet", "cifar10"):
        with refused(DataError, "no regular file|was not found"):
            open_data(name, data_dir=tmp_path, preprocess=to_rgb)


@pytest.mark.parametrize(
    ("suffix", "told"),
    [
        ("cls", b"9" * 5000), ("cls", b"-1"), ("cls", b"1e3"), ("cls", b""),
        ("json", b'{"label": Infinity}'), ("json", b'{"label": true}'), ("json", b"[" * 10**5),
        ("json", b'{"label": 1' + b"0" * 400 + b"}"), ("json", b'{"label": {}}'),
    ],
)  # fmt: skip
def test_a_label_beside_a_picture_of_a_shard_is_a_small_number(
    tmp_path: Path, suffix: str, told: bytes
) -> None:
    beside = (member(f"1.{suffix}", len(told)), told)
    tar_of(tmp_path / "imagenet-val-00.tar", (member("1.jpg", 1), b"x"), beside)
    with refused(DataError, r"val-00\.tar: 1\.(jpg has no class beside it|json cannot be read)"):
        open_data("imagenet", data_dir=tmp_path, preprocess=to_rgb)
