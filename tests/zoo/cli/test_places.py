"""Where a command is told to write: devices stay devices, links are followed, nothing is lost."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report

QUICK = ("eval", "resnet8-silu-sat-digits", "--attack", "pgd-2", "--n", "8", "--precision", "fp32")
Run = Callable[..., Any]


@pytest.mark.parametrize("option", ["--out", "--save-adversarial"])
def test_a_full_device_is_one_sentence_and_the_verdicts_stay_known(
    sat_zoo: Run, tmp_path: Path, option: str
) -> None:
    done = sat_zoo(*QUICK, option, "/dev/full")
    assert done.code == 1
    said = "sat-zoo: /dev/full cannot be written: No space left on device; choose another path\n"
    assert done.err.endswith(said)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    again = sat_zoo(*QUICK, option, str(tmp_path / "file"))
    assert again.code == 0
    # Adversarial images are wanted from the start, so that journal has them.
    assert "all 8 verdicts known from" in again.err


def test_a_fifo_and_a_link_are_written_to(sat_zoo: Run, tmp_path: Path) -> None:
    fifo, link, real = tmp_path / "fifo", tmp_path / "link", tmp_path / "real.json"
    os.mkfifo(fifo)
    link.symlink_to(real)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    assert sat_zoo(*QUICK, "--out", str(fifo)).code == 0
    reader.join(20)
    assert Report.model_validate_json(got[0]).data.n == 8
    assert sat_zoo(*QUICK, "--out", str(link)).code == 0
    assert link.is_symlink()
    assert Report.read(real).data.n == 8


@pytest.mark.parametrize("content", [b"x", b"SQLite format 3\0" + bytes(100), b"{}" * 3000])
def test_a_file_that_is_no_journal_is_not_overwritten(
    sat_zoo: Run, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "j").write_bytes(content)
    for more in ([], ["--fresh"]):
        done = sat_zoo(*QUICK, "--journal", str(tmp_path / "j"), *more)
        assert done.code == 1
        assert "name another file with --journal" in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert (tmp_path / "j").read_bytes() == content
    assert not list(tmp_path.glob("j-*"))
