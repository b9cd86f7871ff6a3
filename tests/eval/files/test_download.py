"""Downloads from a real server on the loopback interface, which cuts, refuses and lies."""

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from eval.errors import DataError, UsageError
from eval.files.download import download

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path, server) -> Path:
    server.content = CONTENT
    return tmp_path / "new/folder/file.bin"


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_gets_its_name_when_it_is_whole_and_verified(target: Path, server) -> None:
    seen: list[tuple[int, int | None]] = []
    got = download(
        server.url, target, sha256=SHA256, md5=MD5, size=len(CONTENT),
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert got == target
    assert target.read_bytes() == CONTENT
    assert left_in(target.parent) == ["file.bin"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_cut_connection_is_gone_on_from(target: Path, server) -> None:
    server.cuts = [300_000, 1000]
    download(server.url, target, md5=MD5, wait_s=0)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=300000-", "bytes=301000-"]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(target: Path, server) -> None:
    server.cuts = [500_000]
    with pytest.raises(DataError, match="could not be fetched"):
        download(server.url, target, sha256=SHA256, n_attempts=1)
    assert left_in(target.parent) == [".file.bin.part"]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert server.asked[1:] == ["bytes=500000-"]


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"and more", CONTENT])
def test_whatever_lies_in_the_part_file_the_result_is_right(
    target: Path, server, left: bytes
) -> None:
    target.parent.mkdir(parents=True)
    (target.parent / ".file.bin.part").write_bytes(left)
    download(server.url, target, sha256=SHA256, wait_s=0)
    assert target.read_bytes() == CONTENT


def test_without_a_digest_only_the_same_call_goes_on_and_only_with_the_same_file(
    target: Path, server
) -> None:
    target.parent.mkdir(parents=True)
    (target.parent / ".file.bin.part").write_bytes(b"of another file")
    server.cuts = [1000]
    download(server.url, target, wait_s=0)
    assert server.asked == ["", "bytes=1000-"]
    assert target.read_bytes() == CONTENT
    target.unlink()
    server.cuts = [1000]
    replaced = CONTENT[::-1]

    def replace_it(done: int, _total: int | None) -> None:
        if done == 1000:
            server.content, server.etag = replaced, '"2"'

    download(server.url, target, wait_s=0, on_progress=replace_it)
    assert target.read_bytes() == replaced


def test_a_server_without_ranges_starts_over(target: Path, server) -> None:
    server.cuts, server.has_ranges = [300_000], False
    download(server.url, target, sha256=SHA256, wait_s=0)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 5}])
def test_other_bytes_are_refused_and_not_kept(target: Path, server, known: dict) -> None:
    with pytest.raises(DataError, match=r"file\.bin (sent other bytes|has 1024000 bytes, exp)"):
        download(server.url, target, **known)
    assert left_in(target.parent) == []


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_refused_for_what_it_is(target: Path, server, content_type: str) -> None:
    server.content, server.content_type = b"\n<!DOCTYPE html><p>quota exceeded", content_type
    with pytest.raises(DataError, match="is a web page, not the file; try again later, or put"):
        download(server.url, target, sha256=SHA256)
    assert left_in(target.parent) == []


def test_a_passing_refusal_is_asked_again_and_a_lasting_one_is_told(target: Path, server) -> None:
    server.statuses = [503, 429]
    download(server.url, target, sha256=SHA256, wait_s=0)
    assert len(server.asked) == 3
    target.unlink()
    server.statuses = [503] * 9
    with pytest.raises(DataError, match=r"could not be fetched \(status 503\)"):
        download(server.url, target, sha256=SHA256, wait_s=0, n_attempts=2)
    server.statuses = [404]
    with pytest.raises(DataError, match="was refused with status 404 Not Found") as refused:
        download(server.url, target, sha256=SHA256, wait_s=0)
    assert "secret" not in str(refused.value)


def test_no_server_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127.0.0.1:9/x could not be fetched .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "x", n_attempts=1)
    with pytest.raises(UsageError, match="'file:///x' cannot be fetched: give an address of http"):
        download("file:///x", tmp_path / "x")


def test_a_whole_file_is_not_asked_for_and_a_damaged_one_is_replaced(target: Path, server) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    download(server.url, target, sha256=SHA256, size=len(CONTENT))
    assert server.asked == []
    target.write_bytes(CONTENT[:-1])
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == CONTENT


def test_no_room_and_no_folder_are_told(target: Path, server, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(DataError, match=r"has 0 MB free, and .* needs 1 MB more; make room"):
        download(server.url, target, sha256=SHA256)
    file = target.parent / "a file"
    file.touch()
    with pytest.raises(DataError, match=r"a file/x cannot be written: .*; name another folder"):
        download(server.url, file / "x", sha256=SHA256)


def test_two_processes_do_not_write_into_one_file(target: Path, server) -> None:
    target.parent.mkdir(parents=True)
    with (
        FileLock(target.parent / ".file.bin.lock"),
        pytest.raises(DataError, match=r"file\.bin is being fetched into .* by another process"),
    ):
        download(server.url, target, sha256=SHA256)
    assert server.asked == []
