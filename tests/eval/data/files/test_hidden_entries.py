"""One wrong number in an archive's directory or header must not make pictures vanish."""

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from eval.data.files.stores import list_tars, list_zip
from eval.errors import DataError

NAMES = ("a/1.png", "a/2.png", "b/3.png")


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "val.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(name, name)
        archive.comment = b"a comment is no fault"
    return path


@pytest.fixture
def tarred(tmp_path: Path) -> Path:
    path = tmp_path / "val.tar"
    with tarfile.open(path, "w") as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def change(path: Path, at: int, new: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(new)] = new
    path.write_bytes(bytes(content))


def test_whole_archives_are_listed(zipped: Path, tarred: Path) -> None:
    assert list_zip(zipped).names == list_tars([tarred]).names == NAMES


def test_an_entry_of_a_zip_that_covers_the_one_behind_it_is_noticed(zipped: Path) -> None:
    comment = zipped.read_bytes().index(b"PK\1\2") + 32
    change(zipped, comment, struct.pack("<H", 53))  # is as long as the second entry
    with pytest.raises(DataError, match=r"val.zip .*it speaks of 3 members and lists 2"):
        list_zip(zipped)


def test_a_name_in_the_directory_of_a_zip_is_that_of_the_entry_where_it_lies(zipped: Path) -> None:
    change(zipped, zipped.read_bytes().rindex(b"a/2.png"), b"a/7.png")
    with pytest.raises(DataError, match=r"a/7.png has another name where it lies"):
        list_zip(zipped)


def test_a_name_that_is_cut_off_by_a_zero_byte_is_noticed(zipped: Path) -> None:
    change(zipped, zipped.read_bytes().rindex(b"a/2.png"), b"\0/2.png")
    with pytest.raises(DataError, match=r"another name where it lies"):
        list_zip(zipped)


def test_names_beyond_ascii_are_compared_as_they_were_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "val.zip", "w") as archive:
        archive.writestr("ä/é.png", b"")
    assert list_zip(tmp_path / "val.zip").names == ("ä/é.png",)


@pytest.mark.parametrize("at", [1024, 1024 + 148, 2048 + 257])
def test_a_damaged_header_of_a_tar_is_not_its_end(tarred: Path, at: int) -> None:
    change(tarred, at, b"\xee")
    with pytest.raises(DataError, match=r"val.tar .*behind byte (1,024|2,048) it is damaged"):
        list_tars([tarred])


def test_a_tar_that_goes_on_behind_its_end_is_not_read_in_part(tarred: Path) -> None:
    tarred.write_bytes(tarred.read_bytes() * 2)
    with pytest.raises(DataError, match=r"behind byte 3,072 it is damaged"):
        list_tars([tarred])


def test_a_tar_that_is_cut_between_two_members_is_noticed(tarred: Path) -> None:
    tarred.write_bytes(tarred.read_bytes()[:2048])
    with pytest.raises(DataError, match=r"it is cut off: its end has no mark"):
        list_tars([tarred])
