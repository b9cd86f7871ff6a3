"""A journal that somebody, or a disk, has changed; and files that are none."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from eval.errors import JournalError
from eval.executors.base import Broken, Ended, Spent, Survived
from eval.files.limits import Limits
from eval.journal import check
from eval.journal.check import Bounds
from eval.journal.journal import Journal
from eval.journal.key import Key, Session
from eval.journal.known import Known
from eval.journal.tables import OURS, put, seal_of

KEY = Key(*"abcdefghi", seed=0, engine="fast", precision="auto")
SESSION = Session(device="cpu", precision="fp32", torch="2.5", version="0.1", batch_size=8)
BOUNDS = Bounds(n=10, stages=("pgd-5", "square"), shape=(1, 2, 2))
STAGES = ("pgd-5", "square")


def written(path: Path, **options: bool) -> Path:
    """A journal with rows in all tables that it can have."""
    with Journal(path, KEY, bounds=BOUNDS, **options) as journal:
        journal.begin(SESSION)
        for position in range(4):
            journal.add(Broken("pgd-5", position, torch.full((1, 2, 2), 0.5), position > 1))
            journal.add(Ended("pgd-5", position, is_right=False))
        journal.add(Survived("pgd-5", 4, had_gradient=False))
        journal.add(Survived("square", 4, had_nan=True))
        journal.add(Spent("pgd-5", seconds=0.5, forwards=10, backwards=9, rejected=1))
    return path


def recalled(path: Path) -> tuple[list[Known], list[Session], float, list[int]]:
    with Journal(path, KEY, bounds=BOUNDS) as journal:
        known = [journal.recall(stage) for stage in STAGES]
        return known, journal.sessions, journal.seconds, sorted(journal.images())


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA writable_schema=ON")
        for statement in statements:
            file.execute(statement)


def beside(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


ROWS = [
    "UPDATE broken SET position = 9 WHERE position = 1",
    "UPDATE broken SET position = -1 WHERE position = 1",
    "UPDATE broken SET position = 10 WHERE position = 1",
    "UPDATE broken SET stage = 'square'",
    "UPDATE broken SET stage = 'robust'",
    "UPDATE broken SET stage = x'00ff'",
    "UPDATE broken SET is_broken_8bit = 1",
    "UPDATE broken SET had_nan = 2",
    "UPDATE broken SET had_nan = 'x'",
    "UPDATE broken SET seal = 'text'",
    "INSERT INTO broken VALUES (7, 'pgd-5', 1, 0, x'0102030405060708')",
    "UPDATE survived SET position = 'four'",
    "UPDATE survived SET position = 5",
    "UPDATE survived SET had_gradient = 1",
    "UPDATE survived SET stage = NULL",
    "UPDATE ended SET is_right = 1",
    "UPDATE ended SET position = 10000000000000 WHERE position = 1",
    "UPDATE spent SET forwards = -1",
    "UPDATE spent SET forwards = 11",
    "UPDATE spent SET backwards = 1e300",
    "UPDATE spent SET rejected = 9223372036854775807",
    "UPDATE spent SET seconds = 9e999",
    "UPDATE spent SET seconds = -0.5",
    "UPDATE spent SET seconds = 'long'",
    "UPDATE spent SET session = 'nobody'",
    "DELETE FROM spent",
    "DELETE FROM sessions",
    "UPDATE sessions SET seconds = -1",
    "UPDATE sessions SET seconds = 9e999",
    "UPDATE sessions SET about = '{}'",
    "UPDATE sessions SET about = 'x'",
    f"UPDATE sessions SET about = '{'[' * 4000}'",
    "UPDATE sessions SET about = replace(about, 'cpu', 'cuda')",
    "UPDATE sessions SET about = replace(about, 'fp32', 'fp64')",
    "UPDATE images SET shape = '[2, 2]'",
    "UPDATE images SET shape = '[1, 2, 1000000000]'",
    "UPDATE images SET shape = '[1, -2, -2]'",
    "UPDATE images SET shape = '3'",
    "UPDATE images SET pixels = zeroblob(16)",
    "UPDATE images SET pixels = x'0000c07f' || zeroblob(12)",
    "UPDATE images SET pixels = zeroblob(15)",
    "UPDATE images SET pixels = 'x'",
    "DELETE FROM images WHERE position = 2",
    "DELETE FROM meta",
    "DELETE FROM meta WHERE name = 'keeps_images'",
    "DELETE FROM meta WHERE name = 'counts'",
    "UPDATE meta SET value = '[]' WHERE name = 'key'",
    f"UPDATE meta SET value = '{'[' * 9000}' WHERE name = 'key'",
    "UPDATE meta SET value = replace(value, '\"seed\": 0', '\"seed\": 1') WHERE name = 'key'",
    "UPDATE meta SET value = '{\"seed\": \"\x1b[2J\"}' WHERE name = 'key'",
    "INSERT INTO meta VALUES ('more', 'x', 'y')",
]


@pytest.mark.parametrize("statement", ROWS, ids=range(len(ROWS)))
def test_a_changed_or_invented_row_is_found_and_nothing_is_written(
    tmp_path: Path, statement: str
) -> None:
    path = written(tmp_path / "j", keeps_images=True)
    tamper(path, statement)
    before = beside(path)
    with pytest.raises(JournalError) as refused:
        Journal(path, KEY, bounds=BOUNDS)
    said = str(refused.value)
    assert said.startswith(f"journal {path} ")
    assert said.isprintable()
    assert len(said) < 600
    assert said.count("fresh=True") == 1
    assert beside(path) == before
    Journal(path, KEY, bounds=BOUNDS, fresh=True).close()


SCHEMAS = [
    [
        "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
        " SELECT x FROM c"
    ],
    [
        "DROP TABLE broken",
        "CREATE VIEW broken AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
        " SELECT x AS position, 'pgd-5' AS stage, 1 AS is_broken_8bit, 0 AS had_nan, x'00' AS seal"
        " FROM c",
    ],
    ["CREATE TRIGGER t AFTER INSERT ON survived BEGIN DELETE FROM broken; END"],
    ["CREATE TABLE more (x)"],
    ["CREATE INDEX more ON broken (stage)"],
    ["CREATE VIRTUAL TABLE more USING fts5(x)"],
    ["DROP TABLE ended"],
    ["ALTER TABLE ended RENAME COLUMN is_right TO right"],
    ["ALTER TABLE ended ADD COLUMN more INTEGER"],
    ["UPDATE sqlite_master SET sql = replace(sql, 'is_right INTEGER', 'is_right BLOB')"],
    ["UPDATE sqlite_master SET sql = 'nonsense' WHERE name = 'ended'"],
    ["UPDATE sqlite_master SET rootpage = 2"],
    ["DELETE FROM sqlite_master"],
]


@pytest.mark.parametrize("statements", SCHEMAS, ids=range(len(SCHEMAS)))
def test_whatever_else_a_file_defines_is_never_read(tmp_path: Path, statements: list[str]) -> None:
    path = written(tmp_path / "j")
    tamper(path, *statements)
    before, started = beside(path), time.monotonic()
    with pytest.raises(JournalError, match=r"defines other tables than a journal|is damaged"):
        Journal(path, KEY, bounds=BOUNDS)
    assert time.monotonic() - started < 5
    assert beside(path) == before


def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "j", keeps_images=True)
    whole, truth = path.read_bytes(), recalled(path)
    used = [place for place, byte in enumerate(whole) if byte]  # the rest is room
    draw, refusals = random.Random(1), list[str]()
    for _ in range(300):
        content = bytearray(whole)
        content[draw.choice(used)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        found, refused = _recalled_or_refused(path)
        assert refused or found == truth
        refusals += [refused] if refused else []
        assert len(list(tmp_path.iterdir())) == 1
    assert len(refusals) > 200
    assert all(text.isprintable() for text in refusals)


def _recalled_or_refused(path: Path) -> tuple[object, str]:
    try:
        return recalled(path), ""
    except JournalError as refused:
        return None, str(refused)


def test_a_file_cut_short_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    whole = path.read_bytes()
    for n_bytes in [*range(1, 120, 13), *range(500, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(JournalError, match=r"is no journal|is damaged"):
            recalled(path)
        assert path.read_bytes() == whole[:n_bytes]


def test_a_row_that_is_gone_only_means_that_its_image_is_attacked_again(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    tamper(path, "DELETE FROM broken WHERE position = 2", "DELETE FROM survived")
    (known, other), *_ = recalled(path)
    assert sorted(known.broken) == [0, 1, 3]
    assert known.missing([0, 1, 2, 3, 4], needs_end=False) == [2, 4]
    assert other.missing([4], needs_end=False) == [4]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("broken", 10, "pgd-5", 1, 0), "a row of broken has position 10"),
        (("survived", "clean", 1, 1, 0), "a row of survived has stage 'clean'"),
        (("images", 1, "[1, 2, 3]", bytes(24)), "a row of images has shape"),
    ],
)
def test_what_the_run_cannot_have_found_out_is_refused_though_it_is_sealed(
    tmp_path: Path, row: tuple[str, int, str, bytes], said: str
) -> None:
    path = written(tmp_path / "j")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(*put(KEY, *row))
    with pytest.raises(JournalError, match=said):
        Journal(path, KEY, bounds=BOUNDS)


def test_a_seal_is_of_one_run_one_table_and_one_row() -> None:
    from dataclasses import replace

    rows = [("ended", ("a", 1, 0)), ("ended", ("a", 1, 1)), ("survived", ("a", 1, 0))]
    rows += [("images", (1, "[]", b"ab")), ("images", (1, "[]", b"ba"))]
    keys = (KEY, replace(KEY, seed=1))
    assert len({seal_of(key, *row) for key in keys for row in rows}) == 10


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
    with pytest.raises(JournalError, match=r"is damaged \(not read in 0 s\)"):
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
