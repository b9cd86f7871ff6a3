"""The picture of the terminal says what the command line prints of the committed Report."""

import os
import re
from collections import defaultdict
from html import unescape

import pytest

from docs.make_picture import PICTURE, REPORT, picture, printed
from eval import Report


def words(svg: str) -> list[str]:
    """The words of a picture, line by line; how a line is cut into texts says nothing."""
    found = defaultdict(list)
    for y, said in re.findall(r'<text [^>]*\by="([0-9.]+)"[^>]*>([^<]*)</text>', svg):
        found[y].append(unescape(said))
    return [" ".join("".join(line).split()) for line in found.values()]


@pytest.fixture(scope="module")
def report() -> Report:
    return Report.read(REPORT)


def test_the_committed_picture_is_what_the_script_draws(report: Report) -> None:
    assert words(PICTURE.read_text("utf-8")) == words(picture(report)), (
        "draw it again: python docs/make_picture.py"
    )


def test_it_shows_the_main_command_and_its_numbers() -> None:
    said = " ".join(" ".join(words(PICTURE.read_text("utf-8"))).split())
    assert "$ sat-zoo eval resnet8-silu-sat-digits --attack autoattack" in said
    assert "robust accuracy 76.7 % (276 of 360, 95 % interval 72.0 to 80.7)" in said
    assert "flag square-breaks:" in said


def test_it_is_small_loads_nothing_and_has_words_for_those_who_do_not_see_it() -> None:
    svg = PICTURE.read_text("utf-8")
    assert len(svg.encode()) < 40_000
    assert "@font-face" not in svg
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert "<title>sat-zoo eval" in svg


@pytest.mark.parametrize("name", ["NO_COLOR", "COLUMNS", "TERM"])
def test_the_terminal_of_whoever_draws_does_not_matter(
    name: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = printed(report)
    monkeypatch.setenv(name, "20")
    assert printed(report) == before
    assert os.environ[name] == "20"
