import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.errors import JournalError, ReportError
from eval.executors.base import Broken, Ended, Spent, Survived
from eval.journal import journal as journal_module
from eval.journal.journal import Journal, default_folder
from eval.journal.key import Key, Session

DIGESTS = [letter * 64 for letter in "abcde0"]  # weights, ids, labels, pixels, stages, definition
WHAT = (DIGESTS[0], DIGESTS[5], "digits (test)", *DIGESTS[1:4], "Linf 8/255", "pgd-5", DIGESTS[4])
KEY = Key(*WHAT, seed=0, engine="fast", precision="auto")
SESSION = Session(device="cpu", precision="fp32", torch="2.5", version="0.1", batch_size=8)
SPENT = Spent("pgd-5", seconds=0.5, forwards=10, rejected=1)


@contextmanager
def begun(path: Path, **options: Any) -> Iterator[Journal]:
    with Journal(path, KEY, **options) as journal:
        journal.begin(SESSION)
        yield journal


def broken(position: int, value: float = 0.5, is_8bit: bool = True) -> Broken:
    return Broken("pgd-5", position, torch.full((1, 2, 2), value), is_8bit)


def test_what_is_added_is_known_to_the_next_session(tmp_path: Path) -> None:
    with begun(tmp_path / "j") as journal:
        assert journal.sessions == []
        journal.add(broken(3, is_8bit=False))
        journal.add(Ended("pgd-5", 3, is_right=True))
        journal.add(Survived("pgd-5", 4))
        journal.add(SPENT)
        journal.add(Survived("square", 4))
    with Journal(tmp_path / "j", KEY) as again:
        memory = again.recall("pgd-5")
        assert (memory.broken, memory.survived) == ({3: False}, {4})
        assert memory.right_at_end == {3: True}
        assert memory.spent == SPENT
        assert again.recall("square").survived == {4}
        assert again.recall("fab-t").settled == set()
        assert again.sessions == [SESSION]
        assert 0 < again.seconds < 60


def test_what_was_spent_is_summed_over_sessions(tmp_path: Path) -> None:
    for _ in range(3):
        with begun(tmp_path / "j") as journal:
            journal.add(Spent("pgd-5", forwards=1))
            journal.add(Spent("pgd-5", forwards=9))
    with Journal(tmp_path / "j", KEY) as journal:
        assert journal.recall("pgd-5").spent == Spent("pgd-5", forwards=30)
        assert len(journal.sessions) == 3


def test_a_broken_image_with_an_unknown_last_iterate_is_attacked_again(tmp_path: Path) -> None:
    with begun(tmp_path / "j") as journal:
        journal.add(broken(0))
        journal.add(Ended("pgd-5", 1, is_right=False))
        journal.add(broken(1))
    with Journal(tmp_path / "j", KEY) as journal:
        memory = journal.recall("pgd-5")
    assert memory.missing([0, 1, 2], needs_end=True) == [0, 2]
    assert memory.missing([0, 1, 2], needs_end=False) == [2]


def test_a_verdict_is_on_disk_soon_after_it_is_known_without_a_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "COMMIT_EVERY_S", 0.05)
    with begun(tmp_path / "j") as journal:
        journal.add(broken(3))
        deadline = time.monotonic() + 120
        while 3 not in recalled(copy_of(tmp_path, "j"), "pgd-5"):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def copy_of(folder: Path, name: str, n_bytes_of_log: int | None = None) -> Path:
    """The file and its log as a crash would leave them, the log cut after some bytes."""
    copy = folder / "copy"
    copy.mkdir(exist_ok=True)
    shutil.copyfile(folder / name, copy / name)
    content = (folder / f"{name}-wal").read_bytes()
    (copy / f"{name}-wal").write_bytes(content[:n_bytes_of_log])
    return copy / name


def recalled(path: Path, stage: str) -> dict[int, bool]:
    with Journal(path, KEY) as journal:
        return journal.recall(stage).broken


def test_a_power_cut_at_any_byte_leaves_the_commits_before_it(tmp_path: Path) -> None:
    with begun(tmp_path / "j") as journal:
        for position in range(6):
            journal.add(broken(position))
            journal._write()
        size = (tmp_path / "j-wal").stat().st_size
        seen = []
        for cut in [*range(0, size, 1531), size]:
            known = recalled(copy_of(tmp_path, "j", cut), "pgd-5")
            assert sorted(known) == list(range(len(known)))
            seen.append(len(known))
    assert seen == sorted(seen)
    assert set(seen) == set(range(7))


@pytest.mark.parametrize("field", [f for f in asdict(KEY) if f != "journal_version"])
def test_a_journal_of_another_run_is_refused_with_both_values(tmp_path: Path, field: str) -> None:
    Journal(tmp_path / "j", KEY).close()
    old = getattr(KEY, field)
    new = old + 1 if isinstance(old, int) else "f" * len(old)
    short = (lambda v: v[:12]) if isinstance(old, str) and len(old) == 64 else str
    with pytest.raises(JournalError) as refused:
        Journal(tmp_path / "j", replace(KEY, **{field: new}))
    assert str(refused.value) == (
        f"journal {tmp_path}/j is of another run ({field}: {short(old)} there, {short(new)} here):"
        " name another file with `journal`, or forget what this one holds with `fresh=True`"
    )


def test_fresh_forgets_what_the_file_holds_and_takes_the_new_key(tmp_path: Path) -> None:
    with begun(tmp_path / "j", keeps_images=True) as journal:
        journal.add(broken(3))
    other = replace(KEY, seed=1)
    with Journal(tmp_path / "j", other, fresh=True) as journal:
        assert journal.recall("pgd-5").settled == set()
        assert journal.sessions == []
    Journal(tmp_path / "j", other).close()


def test_in_a_folder_the_file_is_named_by_the_key(tmp_path: Path) -> None:
    for key in (KEY, replace(KEY, seed=1), KEY):
        Journal(tmp_path, key).close()
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{key.digest}.sqlite" for key in (KEY, replace(KEY, seed=1))
    }


def test_the_second_of_two_on_one_journal_is_told(tmp_path: Path) -> None:
    with (
        begun(tmp_path / "j") as journal,
        pytest.raises(JournalError, match=r"j is in use by another process: wait for it, or end"),
    ):
        Journal(tmp_path / "j", KEY, fresh=True)
    with begun(tmp_path / "j") as journal:
        journal.add(Survived("pgd-5", 1))  # the first is none the worse for it


def test_another_process_holds_the_lock_until_it_is_killed(tmp_path: Path) -> None:
    code = """if True:
        import sqlite3, sys
        held = sqlite3.connect(sys.argv[1], isolation_level=None)
        held.execute("PRAGMA locking_mode=EXCLUSIVE")
        held.execute("BEGIN IMMEDIATE")
        print("held", flush=True)
        sys.stdin.read()
    """
    Journal(tmp_path / "j", KEY).close()
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "j"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(tmp_path / "j", KEY)
        other.kill()
    Journal(tmp_path / "j", KEY).close()


def test_a_full_disk_is_said_and_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", KEY, keeps_images=True)
    journal.begin(SESSION)
    journal.add(broken(0))
    journal._write()
    ((n_pages,),) = journal._file.read("PRAGMA page_count")
    journal._file.read(f"PRAGMA max_page_count = {n_pages}")  # what SQLite calls a full disk
    large = Broken("pgd-5", 1, torch.zeros(3, 300, 300), True)
    journal.add(large)
    journal._write()
    message = "the disk is full: what was committed is safe; make room, and the same command goes"
    with pytest.raises(JournalError, match=message):
        journal.add(Survived("pgd-5", 2))
    with pytest.raises(JournalError, match=message):
        journal.close()
    assert recalled(tmp_path / "j", "pgd-5") == {0: True}


def test_after_room_was_made_nothing_is_missing(tmp_path: Path) -> None:
    with begun(tmp_path / "j", keeps_images=True) as journal:
        ((n_pages,),) = journal._file.read("PRAGMA page_count")
        journal._file.read(f"PRAGMA max_page_count = {n_pages}")
        journal.add(Broken("pgd-5", 1, torch.zeros(3, 300, 300), True))
        journal._write()
        journal._file.read("PRAGMA max_page_count = 100000")
        journal._write()
        journal.add(broken(2))
    assert recalled(tmp_path / "j", "pgd-5") == {1: True, 2: True}


def test_the_error_under_way_is_not_replaced_by_the_journals(tmp_path: Path) -> None:
    def fails() -> None:
        with begun(tmp_path / "j", keeps_images=True) as journal:
            journal._file.read("PRAGMA max_page_count = 1")
            journal.add(Broken("pgd-5", 1, torch.zeros(3, 300, 300), True))
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        fails()


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"`journal` /proc/j cannot be written: .*; choose"):
        Journal(Path("/proc/j"), KEY)
    with pytest.raises(ReportError, match=r"`journal` .*: the folder .*nope does not exist"):
        Journal(tmp_path / "nope" / "j", KEY)


def test_the_default_folder_is_made_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home" / "journals"
    assert default_folder().is_dir()


def test_a_damaged_journal_is_refused_and_fresh_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with begun(path) as journal:
        for position in range(500):
            journal.add(Survived("pgd-5", position))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:4096] + bytes(len(whole) - 4096)):
        path.write_bytes(content)
        with pytest.raises(JournalError, match=r"j is damaged \(.*\): start over with `fresh"):
            Journal(path, KEY)
        with Journal(path, KEY, fresh=True) as journal:
            assert journal.recall("pgd-5").settled == set()


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    with begun(tmp_path / "j") as journal:
        assert journal.recall("pgd-5").settled == set()
        assert (tmp_path / "j").stat().st_size > 0


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, fresh: bool) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"precious": "x" * 5000}))
    with pytest.raises(JournalError, match=r"is no journal: name another file with `journal`, or"):
        Journal(report, KEY, fresh=fresh)
    assert "precious" in report.read_text()
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE meta (name, value)")
    other.close()
    with pytest.raises(JournalError, match="is the data base of another program: name another"):
        Journal(tmp_path / "other", KEY, fresh=fresh)
    with sqlite3.connect(tmp_path / "other") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("meta",)]
    other.close()


def test_images_come_back_bit_for_bit(tmp_path: Path) -> None:
    x_adv = torch.rand(3, 5, 4).to(memory_format=torch.contiguous_format)
    with begun(tmp_path / "j", keeps_images=True) as journal:
        journal.add(Broken("pgd-5", 7, x_adv.permute(0, 2, 1), True))
    with begun(tmp_path / "j") as journal:  # once begun, images are kept whoever goes on
        journal.add(broken(8))
    with Journal(tmp_path / "j", KEY, keeps_images=True) as journal:
        images = journal.images()
    assert sorted(images) == [7, 8]
    assert torch.equal(images[7], x_adv.permute(0, 2, 1))


def test_a_journal_without_the_images_is_refused_when_they_are_wanted(tmp_path: Path) -> None:
    with begun(tmp_path / "j") as journal:
        journal.add(Survived("pgd-5", 1))
    with begun(tmp_path / "j", keeps_images=True) as journal:  # nothing was broken yet
        pass
    with begun(tmp_path / "k") as journal:
        journal.add(broken(1))
    with pytest.raises(JournalError, match="holds 1 broken images by verdict only: start over"):
        Journal(tmp_path / "k", KEY, keeps_images=True)
