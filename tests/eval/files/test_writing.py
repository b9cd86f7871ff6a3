import errno
import os
from pathlib import Path

import pytest

from eval.errors import ReportError
from eval.files.writing import check_writable, write_atomically


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
