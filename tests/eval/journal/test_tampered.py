"""A journal that somebody, or a disk, has changed."""

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from eval.errors import JournalError
from eval.journal.journal import Journal
from eval.journal.tables import put, seal_of
from tests.eval.journal.journals import BOUNDS, KEY, beside, recalled, tamper, written

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
    assert time.monotonic() - started < 30
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
