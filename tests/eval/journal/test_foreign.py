"""Files that are no journal, and journals that are taken away while in use."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from eval.errors import JournalError
from eval.executors.base import Survived
from eval.files.limits import Limits
from eval.journal import check
from eval.journal.journal import Journal
from eval.journal.tables import OURS
from tests.eval.journal.journals import (
    KEY,
    SESSION,
    beside,
    recalled,
    written,
)


def foreign(kind: str, path: Path) -> None:
    if kind == "one byte":
        path.write_bytes(b"x")
    elif kind == "zeros":
        path.write_bytes(bytes(8192))
    elif kind == "text":
        path.write_text(json.dumps({"precious": "x" * 5000}))
    elif kind == "header":
        path.write_bytes(b"SQLite format 3\0" + bytes(50))
    else:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            if kind == "written ahead":
                other.execute("PRAGMA journal_mode=WAL")
            if kind == "our number":
                other.execute(f"PRAGMA application_id = {OURS}")
            other.execute("CREATE TABLE meta (name, value)")


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "kind", ["one byte", "zeros", "text", "header", "SQLite", "written ahead", "our number"]
)
def test_a_file_that_is_no_journal_is_not_written_to(
    tmp_path: Path, kind: str, fresh: bool
) -> None:
    path = tmp_path / "j"
    foreign(kind, path)
    before, changed = beside(path), path.stat().st_mtime_ns
    with pytest.raises(JournalError, match=r"is no journal: name|is the data base of another pro"):
        Journal(path, KEY, fresh=fresh)
    assert (beside(path), path.stat().st_mtime_ns) == (before, changed)


@pytest.mark.parametrize("kind", ["/dev/full", "/dev/zero", "fifo", "link"])
def test_a_journal_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    if kind == "link":
        path.symlink_to("/dev/full")
    with pytest.raises(JournalError, match="is no regular file"):
        Journal(path, KEY)
    assert not path.is_file()


def test_a_link_to_a_journal_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    written(tmp_path / "link")
    assert recalled(tmp_path / "real") == recalled(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("end", ["-journal", "-wal"])
@pytest.mark.parametrize("is_there", [True, False])
def test_somebodys_file_beside_a_journal_is_neither_believed_nor_deleted(
    tmp_path: Path, end: str, is_there: bool
) -> None:
    if is_there:
        written(tmp_path / "j")
    other = tmp_path / f"j{end}"
    other.write_text("precious")
    for fresh in (False, True):
        with pytest.raises(JournalError, match=f"beside it that is none of a journal's, j{end}:"):
            Journal(tmp_path / "j", KEY, fresh=fresh)
    assert other.read_text() == "precious"
    other.unlink()
    other.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match=f"j{end}"):
        Journal(tmp_path / "j", KEY)
    assert not (tmp_path / "elsewhere").exists()


def test_the_log_of_a_journal_that_was_deleted_is_not_taken_for_that_of_a_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "j"
    with Journal(path, KEY) as journal:
        journal.begin(SESSION)
        journal.add(Survived("pgd-5", 1))
        journal._write()
        shutil.copyfile(tmp_path / "j-wal", tmp_path / "log")
    path.unlink()
    shutil.move(tmp_path / "log", tmp_path / "j-wal")
    assert recalled(path)[0][0].settled == set()


def test_a_log_with_a_changed_row_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    kept = tmp_path / "kept"
    kept.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("UPDATE ended SET is_right = 1")
        for name in ("j", "j-wal"):
            shutil.copyfile(tmp_path / name, kept / name)
    before = beside(kept / "j")
    with pytest.raises(JournalError, match="a row of ended was changed or invented"):
        recalled(kept / "j")
    assert beside(kept / "j") == before


def test_looking_takes_no_longer_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "j")
    monkeypatch.setattr(check, "limits", lambda: Limits(check_seconds=0))
    monkeypatch.setattr(check, "_HOW_OFTEN", 1)
    with pytest.raises(JournalError, match=r"takes more than 0 s to look through: SAT_ZOO_L"):
        recalled(path)


def test_a_second_look_in_one_process_does_not_let_go_of_the_lock(tmp_path: Path) -> None:
    code = """if True:
        import sqlite3, sys
        try:
            sqlite3.connect(sys.argv[1], timeout=0).execute("SELECT * FROM broken").fetchall()
        except sqlite3.OperationalError as error:
            print(error)
    """
    with Journal(tmp_path / "j", KEY):
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(tmp_path / "j", KEY)
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "j"], check=True, capture_output=True, text=True
        )
    assert done.stdout == "database is locked\n"


def test_a_journal_that_is_deleted_while_running_is_written_again(tmp_path: Path) -> None:
    path = written(tmp_path / "j", keeps_images=True)
    journal = Journal(path, KEY)
    journal.begin(SESSION)
    path.unlink()
    journal.add(Survived("square", 5))
    journal._write()
    said = "j was deleted or replaced while it was in use; all it held is there again: the same"
    with pytest.raises(JournalError, match=said):
        journal.add(Survived("square", 6))
    journal._statements += journal._statements_of(Survived("square", 7))  # handed over meanwhile
    with pytest.raises(JournalError, match=said):
        journal.close()
    (known, other), sessions, _, images = recalled(path)
    assert sorted(known.broken) == images == [0, 1, 2, 3]
    assert other.survived == {4, 5, 7}
    assert len(sessions) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["j"]


def test_a_journal_that_is_replaced_while_running_is_written_beside(tmp_path: Path) -> None:
    path, other = written(tmp_path / "j"), tmp_path / "other"
    other.write_text("precious")
    journal = Journal(path, KEY)
    journal.begin(SESSION)
    journal.add(Survived("square", 5))
    other.replace(path)
    with pytest.raises(JournalError, match=r"all it held is in .*j\.rescued1: go on from it"):
        journal.close()
    assert path.read_text() == "precious"
    assert recalled(tmp_path / "j.rescued1")[0][1].survived == {4, 5}


def test_a_journal_that_is_deleted_with_nothing_more_to_write_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    journal = Journal(path, KEY)
    for name in ("j", "j-wal"):
        (tmp_path / name).unlink()
    with pytest.raises(JournalError, match="was deleted or replaced while it was in use"):
        journal.close()
    assert sorted(recalled(path)[0][0].broken) == [0, 1, 2, 3]


def test_a_log_that_is_deleted_while_running_loses_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    with Journal(path, KEY) as journal:
        journal.begin(SESSION)
        for position in (5, 6):
            (tmp_path / "j-wal").unlink(missing_ok=True)
            journal.add(Survived("square", position))
            journal._write()
            copy = tmp_path / "copies" / str(position)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)  # as a kill would leave it
            assert position in recalled(copy)[0][1].survived
    assert recalled(path)[0][1].survived == {4, 5, 6}
