import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eval.errors import ReportError
from eval.files import writing
from eval.files.writing import (
    check_writable,
    create_file,
    leftovers,
    temporary_name,
    write_atomically,
)

NOT_A_PROCESS = 2**22 + 1  # above the largest number that Linux gives


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match="cannot be written: No space left on device; choose"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_named_with_its_option(tmp_path: Path) -> None:
    check_writable(tmp_path / "fine.json")
    with pytest.raises(ReportError, match=r"`out` .* is a folder: name a file in it"):
        check_writable(tmp_path)
    with pytest.raises(
        ReportError, match=r"`save` .*: the folder .*nope does not exist: create it"
    ):
        check_writable(tmp_path / "nope" / "r.json", "save")
    with pytest.raises(ReportError, match=r"`out` /proc/r.json cannot be written: .*; choose"):
        check_writable(Path("/proc/r.json"))


def test_a_planted_link_makes_no_other_file_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "report.json"
    victim.write_text("precious")
    (tmp_path / f".report.json.{os.getpid()}.tmp").symlink_to(victim)
    write_atomically(path, b"new")
    # Whoever could guess the name would still only stop us.
    planted = temporary_name(path)
    planted.symlink_to(victim)
    monkeypatch.setattr(writing, "temporary_name", lambda *_: planted)
    with pytest.raises(ReportError, match="cannot be written: File exists; choose"):
        write_atomically(path, b"newer")
    assert (victim.read_text(), path.read_bytes()) == ("precious", b"new")
    assert not path.is_symlink()


def test_temporary_names_cannot_be_guessed_and_the_mode_is_that_of_other_files(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    assert len({temporary_name(path) for _ in range(100)}) == 100
    before = os.umask(0o027)
    try:
        write_atomically(path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_killed_runs_left_goes_with_the_next_writing_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    mine = temporary_name(path)
    killed = tmp_path / mine.name.replace(f"-{os.getpid()}.", f"-{NOT_A_PROCESS}.")
    elsewhere = tmp_path / killed.name.replace(writing._machine(), "0" * 8)
    of_another = tmp_path / killed.name.replace("a.json", "b.json")
    old = tmp_path / elsewhere.name.replace(str(NOT_A_PROCESS), "1")
    before_names_were_random = tmp_path / ".a.json.77.tmp"
    somebodys = tmp_path / ".a.json.mine.tmp"
    for file in (mine, killed, elsewhere, of_another, old, before_names_were_random, somebodys):
        file.write_text("half")
    long_ago = time.time() - writing.ABANDONED_S - 60
    for file in (old, before_names_were_random, somebodys, of_another):
        os.utime(file, (long_ago, long_ago))
    assert set(leftovers(path)) == {killed, old, before_names_were_random}
    write_atomically(path, b"x")
    assert set(tmp_path.iterdir()) == {path, mine, elsewhere, of_another, somebodys}


def test_a_process_that_is_killed_while_writing_leaves_nothing_for_long(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    code = """if True:
        import os, sys
        from pathlib import Path
        from eval.files.writing import write_atomically
        Path.replace = lambda *_: os.kill(os.getpid(), 9)
        write_atomically(Path(sys.argv[1]), b"x" * 10)
    """
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"x" * 10
    write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    real, link, second = tmp_path / "real", tmp_path / "link", tmp_path / "second"
    (tmp_path / "folder").mkdir()
    link.symlink_to(real)
    second.symlink_to("link")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "folder" / "new")
    real.write_text("old")
    for path, target in ((second, real), (dangling, tmp_path / "folder" / "new")):
        check_writable(path)
        write_atomically(path, b"new")
        assert path.is_symlink()
        assert not target.is_symlink()
        assert target.read_bytes() == b"new"
    astray = tmp_path / "astray"
    astray.symlink_to(tmp_path / "nope" / "new")
    with pytest.raises(ReportError, match="nope does not exist: create it"):
        check_writable(astray)
    with pytest.raises(ReportError, match="cannot be written: No such file or directory; choose"):
        write_atomically(astray, b"x")
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for attempt in (check_writable, lambda path: write_atomically(path, b"x")):
        with pytest.raises(ReportError, match="cannot be written: Too many levels of symbolic"):
            attempt(circle)


@pytest.mark.parametrize("name", ["/dev/full", "/dev/null", "link"])
def test_a_device_is_written_to_and_stays_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "link":
        path.symlink_to("/dev/full")
    number = path.stat().st_rdev
    check_writable(path)
    if name == "/dev/null":
        write_atomically(path, b"x" * 100_000)
    else:
        with pytest.raises(ReportError, match=r"cannot be written: No space left on device; choo"):
            write_atomically(path, b"x")
    assert stat.S_ISCHR(path.stat().st_mode)
    assert path.stat().st_rdev == number


def test_a_fifo_is_written_to_once_somebody_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    check_writable(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    content = os.urandom(300_000)  # more than a pipe holds
    reader.start()
    write_atomically(path, content)
    reader.join(20)
    assert got == [content]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_fifo_that_nobody_reads_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(writing, "READER_WAIT_S", 0.1)
    with pytest.raises(ReportError, match=r"fifo cannot be written: nobody reads it for 0 s; ch"):
        write_atomically(tmp_path / "fifo", b"x")


@contextmanager
def a_socket(path: Path) -> Iterator[Path]:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
            yield path
    finally:
        os.chdir(here)


def test_folders_and_sockets_are_refused_and_stay(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written: it is a folder; choose another"):
        write_atomically(tmp_path, b"x")
    with a_socket(tmp_path / "s") as path:
        for attempt in (check_writable, lambda path: write_atomically(path, b"x")):
            with pytest.raises(ReportError, match="s cannot be written: it is a socket; choose"):
                attempt(path)
        assert path.is_socket()


@pytest.mark.parametrize("as_file", [True, False])
def test_what_goes_to_standard_output_joins_what_is_said_there(
    tmp_path: Path, as_file: bool
) -> None:
    code = """if True:
        from pathlib import Path
        from eval.files.writing import check_writable, write_atomically
        path = Path("/dev/stdout")
        print("before")
        check_writable(path)
        write_atomically(path, b"content\\n")
        print("after")
    """
    said = tmp_path / "said"
    with said.open("wb") as file:
        where = file if as_file else subprocess.PIPE
        done = subprocess.run([sys.executable, "-c", code], check=True, stdout=where)
    out = said.read_bytes() if as_file else done.stdout
    assert out == b"before\ncontent\nafter\n"
    assert list(tmp_path.iterdir()) == [said]


def test_a_name_as_long_as_a_disk_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".json")
    write_atomically(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_created_once_and_never_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def unable(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", unable)
    path, victim = tmp_path / "a", tmp_path / "victim"
    create_file(path, b"first")
    with pytest.raises(FileExistsError):
        create_file(path, b"second")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "link", b"third")
    assert path.read_bytes() == b"first"
    assert not victim.exists()
    assert hashlib.sha256(b"first").hexdigest() == writing.sha256_of(path)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "link"}
