"""Half a file goes on where it ended, and nothing that came is lost."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from eval.files.ranges import append, begins_at, headers_from


def answer(*chunks: bytes, status: int = 206, told: str = "") -> httpx2.Response:
    def come() -> Iterator[bytes]:
        for chunk in chunks:
            if not chunk:
                raise httpx2.ReadError("cut")
            yield chunk

    return httpx2.Response(status, headers={"Content-Range": told}, content=come())


def test_a_range_is_asked_for_only_where_something_is_there() -> None:
    assert headers_from(0) == {"Accept-Encoding": "identity"}
    assert headers_from(7) == {"Accept-Encoding": "identity", "Range": "bytes=7-"}


@pytest.mark.parametrize(
    ("status", "told", "wanted"),
    [
        (206, "bytes 3-9/10", (3, 10)),
        (206, "bytes 3-9/*", (3, None)),
        (200, "bytes 3-9/10", None),
        (206, "", None),
        (206, "pages 3-9/10", None),
    ],
)
def test_an_answer_begins_where_it_says(
    status: int, told: str, wanted: tuple[int, int | None] | None
) -> None:
    assert begins_at(answer(status=status, told=told)) == wanted


def test_bytes_go_on_where_the_part_ended(tmp_path: Path) -> None:
    part, seen = tmp_path / "part", []
    part.write_bytes(b"abc")
    assert append(answer(b"de", b"f"), part, 3, at_most=6, on_bytes=seen.append) == 6
    assert (part.read_bytes(), seen) == (b"abcdef", [5, 6])


def test_whoever_begins_anew_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"something long")
    assert append(answer(b"new"), part, 0, at_most=None) == 3
    assert part.read_bytes() == b"new"


def test_what_came_before_a_cut_stays(tmp_path: Path) -> None:
    part = tmp_path / "part"
    with pytest.raises(httpx2.ReadError):
        append(answer(b"abc", b""), part, 0, at_most=6)
    assert part.read_bytes() == b"abc"


def test_more_than_the_whole_ends_after_one_chunk(tmp_path: Path) -> None:
    part = tmp_path / "part"
    assert append(answer(b"abc", b"def", b"ghi"), part, 0, at_most=4) == 6


def test_the_first_bytes_are_looked_at_before_they_are_written(tmp_path: Path) -> None:
    def refuse(chunk: bytes) -> None:
        raise ValueError(chunk)

    part = tmp_path / "part"
    with pytest.raises(ValueError, match="<html>"):
        append(answer(b"<html>"), part, 0, at_most=None, check_first=refuse)
    assert part.read_bytes() == b""
    part.write_bytes(b"abc")
    assert append(answer(b"<html>"), part, 3, at_most=None, check_first=refuse) == 9


def test_a_link_under_the_name_of_a_part_is_not_written_through(tmp_path: Path) -> None:
    victim, part = tmp_path / "victim", tmp_path / ".a.part"
    victim.write_bytes(b"precious")
    part.symlink_to(victim)
    for start in (0, 3):
        with pytest.raises(OSError, match="symbolic links"):
            append(answer(b"abc"), part, start, at_most=None)
    assert victim.read_bytes() == b"precious"
