"""What cannot be seen reaches no screen and no file: it could move a cursor or turn a name round.

No Report has such a name; the name of a file among the results may be anything.
"""

import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eval import Report
from leaderboard import escape
from leaderboard.boards import Leaderboard, Refused, leaderboard
from leaderboard.citing import copies
from leaderboard.cli.terminal import print_board
from leaderboard.export import to_csv, to_json, to_latex, to_markdown
from leaderboard.site import markup

Make = Callable[..., Report]
Folder = Callable[..., Path]
Run = Callable[..., Any]

SIGNS = "\x1b[2J\r\x00\x07\u202egnp\u2066\u200b\u200f\u00ad\ufeff\x85\x9b31m\U000e0041"


def hidden(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c)[0] == "C"}


@pytest.fixture
def strange(made: Make, results: Folder) -> Leaderboard:
    """A board whose every text holds every sign, as if no Report had been checked."""
    found = leaderboard([results(made(model="strange"))])
    (board,) = (it for it in found.boards if it.dataset == "toy")
    name = f"net{SIGNS}work"
    rows = [replace(row, model=name, architecture=name, activation=name) for row in board.rows]
    refused = Refused(Path(f"{name}.json"), f"report {name} is none")
    board = replace(board, dataset=name, subset=name, rows=tuple(rows))
    return Leaderboard((board,), (refused,))


@pytest.mark.parametrize("to_text", [to_csv, to_json, to_latex, to_markdown])
def test_no_file_holds_a_sign_that_cannot_be_seen(
    strange: Leaderboard, to_text: Callable[[Leaderboard], str]
) -> None:
    text = to_text(strange)
    assert "net" in text
    assert not hidden(text)


def test_json_still_tells_every_sign_to_a_program(strange: Leaderboard) -> None:
    told = json.loads(to_json(strange))
    assert told["boards"][0]["rows"][0]["model"] == f"net{SIGNS}work"


def test_no_text_that_is_copied_holds_a_sign_that_cannot_be_seen(strange: Leaderboard) -> None:
    for one in copies(strange.boards[0], strange.boards[0].rows[0]):
        assert not hidden(one.text), one.key


def test_no_screen_shows_a_sign_that_cannot_be_seen(strange: Leaderboard) -> None:
    screen = io.StringIO()
    print_board(strange.boards[0], [], Console(width=120, file=screen), everything=True)
    assert not hidden(screen.getvalue())


def test_no_page_holds_a_sign_that_cannot_be_seen() -> None:
    source = "<p title='{{ x }}'>{{ x }}</p>{{ [x, x] | join }}{{ x ~ x }}{{ rows | data_json }}"
    template = markup._environment().from_string(source)
    page = template.render(x=f"net{SIGNS}work", rows=[SIGNS])
    assert page.count("net") == 6
    assert not hidden(page)


@pytest.mark.parametrize("n", [61, 200])
def test_a_long_name_fills_no_table(made: Make, results: Folder, n: int) -> None:
    name = "n" * n
    found = leaderboard([results(made(model=name))])
    board = next(it for it in found.boards if it.dataset == "toy")
    screen = io.StringIO()
    print_board(board, [], Console(width=160, file=screen), everything=False)
    for text in (screen.getvalue(), to_markdown(found), to_latex(found)):
        assert name not in text
        assert escape.short(name)[:20] in text
    assert name in to_csv(found), "a program gets all of it"
    assert name in to_json(found)


def test_a_hostile_file_name_reaches_no_screen(sat_zoo: Run, made: Make, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    signs = SIGNS.replace("\x00", "").replace("/", "")
    (folder / f"a{signs}.json").write_text("{")
    made().write(folder / f"b{signs}.json")
    own = ("--results", folder, "--only")
    for command in (
        ("leaderboard", "show", "toy", *own),
        ("leaderboard", "export", "--format", "csv", *own),
        ("verify", folder / f"b{signs}.json"),
        ("leaderboard", "add", folder / f"b{signs}.json", "--results", tmp_path / "own"),
    ):
        done = sat_zoo(*command)
        assert not hidden(done.out + done.err), command
        assert "Traceback" not in done.err
