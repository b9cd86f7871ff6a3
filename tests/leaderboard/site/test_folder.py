"""The output folder: swapped in whole, and never somebody else's."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from eval.errors import UsageError
from eval.files.writing import temporary_name
from leaderboard.site.folder import MARKER, replaced


def build(out: Path, text: str, *, force: bool = False) -> None:
    with replaced(out, force=force) as folder:
        (folder / "index.html").write_text(text)


def test_a_new_folder_appears_whole_and_marked(tmp_path: Path) -> None:
    build(tmp_path / "site", "one")
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == [MARKER, "index.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["site"], "nothing is left beside it"


def test_our_folder_is_replaced_and_old_pages_go(tmp_path: Path) -> None:
    build(tmp_path / "site", "one")
    (tmp_path / "site" / "old.html").write_text("of a model that is gone")
    build(tmp_path / "site", "two")
    assert (tmp_path / "site" / "index.html").read_text() == "two"
    assert not (tmp_path / "site" / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_strangers_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    thesis = tmp_path / "site" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    message = f"--out {tmp_path / 'site'} holds files that sat-zoo did not write"
    with pytest.raises(UsageError, match=re.escape(message)):
        build(tmp_path / "site", "one")
    assert thesis.read_text() == "years of work"


def test_force_moves_a_strangers_folder_aside(tmp_path: Path) -> None:
    for number, kept in enumerate(("site.replaced", "site.replaced.2")):
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / MARKER).unlink(missing_ok=True)
        (tmp_path / "site" / "thesis.tex").write_text(str(number))
        build(tmp_path / "site", "one", force=True)
        assert (tmp_path / kept / "thesis.tex").read_text() == str(number)
        assert (tmp_path / "site" / "index.html").read_text() == "one"


def test_a_build_that_fails_leaves_the_old_site(tmp_path: Path) -> None:
    build(tmp_path / "site", "one")

    def fail() -> None:
        with replaced(tmp_path / "site") as folder:
            (folder / "index.html").write_text("half")
            raise KeyError("a bug in a page")

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "site" / "index.html").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_cannot_be_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file: name a folder"):
        build(tmp_path / "file", "one")
    with pytest.raises(UsageError, match="does not exist: create it"):
        build(tmp_path / "no" / "site", "one")
    monkeypatch.chdir(tmp_path)
    for here in (Path(), Path("..")):
        with pytest.raises(UsageError, match="the folder you stand in or holds it"):
            build(here, "one", force=True)


def test_what_killed_builds_left_goes_and_a_link_is_followed(tmp_path: Path) -> None:
    site, link = tmp_path / "site", tmp_path / "link"
    link.symlink_to(site)
    for end in ("new", "old"):
        left = temporary_name(site, end)
        left = left.with_name(left.name.replace(f"-{os.getpid()}.", f"-{2**22 + 1}."))
        (left / "pages").mkdir(parents=True)
    for text in ("first", "second"):
        with replaced(link) as folder:
            (folder / "index.html").write_text(text)
    assert {path.name for path in tmp_path.iterdir()} == {"site", "link"}
    assert (site / "index.html").read_text() == "second"
    assert link.is_symlink()


def test_what_is_no_folder_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/full")):
        with pytest.raises(UsageError, match="is a file: name a folder"), replaced(path):
            pass
    assert (tmp_path / "fifo").is_fifo()
    assert Path("/dev/full").is_char_device()
