import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import DataError, ReportError, UsageError
from eval.files.border import LONGEST, border, plain, read_bytes
from eval.files.limits import VARIABLE, Limits, check, limits


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (KeyError("a"), "'a'"),
        (RecursionError("maximum"), "it is nested too deep"),
        (MemoryError(), "it needs more memory than there is"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("one\ntwo"), "one"),
        (OverflowError("int\x1b[2J too large"), r"int\x1b[2J too large"),
        (ValueError(), "ValueError"),
    ],
)
def test_whatever_a_parser_raises_becomes_one_sentence(problem: Exception, said: str) -> None:
    with pytest.raises(DataError) as caught, border("a.npz", DataError, "copy it again"):
        raise problem
    assert str(caught.value) == f"a.npz cannot be read ({said}): copy it again"


def test_sentences_of_ours_and_interruptions_pass() -> None:
    with pytest.raises(ReportError, match="ours"), border("a", DataError, "b"):
        raise ReportError("ours")
    with pytest.raises(KeyboardInterrupt), border("a", DataError, "b"):
        raise KeyboardInterrupt


@given(st.text(max_size=500))
def test_a_strangers_text_is_one_visible_line_of_bounded_length(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert len(shown) <= LONGEST + 3


def test_an_escape_cannot_draw_on_the_terminal() -> None:
    assert plain("a\x1b[1A\rb\u202ec\n") == r"a\x1b[1A\rb\u202ec\n"
    assert plain("wide 猫 é") == "wide 猫 é"


def test_devices_fifos_and_folders_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    started = time.monotonic()
    for name in ("fifo", "zero"):
        with pytest.raises(ValueError, match="no regular file"):
            read_bytes(tmp_path / name)
    with pytest.raises((ValueError, OSError)):
        read_bytes(tmp_path)
    assert time.monotonic() - started < 30  # nothing was waited for


def test_limits_can_be_raised_and_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"x" * 11)
    assert read_bytes(path) == b"x" * 11
    monkeypatch.setenv(VARIABLE, "record_bytes=10, members=1e3")
    assert limits() == Limits(record_bytes=10, members=1000)
    with pytest.raises(ValueError, match=r"11 bytes, more than the 10 allowed; .*record_bytes=11"):
        read_bytes(path)
    check("members", 1000, "members")


@pytest.mark.parametrize("text", ["pixels=3", "members", "members=x", "members=nan", "members=0"])
def test_a_limit_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=VARIABLE):
        limits()
