"""Tables at any width: nothing is cut, what matters least goes first, and that is said."""

import io
import re
from collections.abc import Sequence

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from zoo.cli.shared.columns import TableColumn, wide_option
from zoo.cli.shared.table import PROSE, print_table, wrapped

COLUMNS = (
    TableColumn("model", importance=0),
    TableColumn("clean", is_right=True, importance=2),
    TableColumn("robust", is_right=True, importance=1),
    TableColumn("verdict", is_prose=True, importance=3),
)
ROWS = (("resnet8-silu-sat-digits", "99.2", "76.7", "holds: the claim lies in the interval"),)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(
    columns: Sequence[TableColumn],
    rows: Sequence[Sequence[str | Text]],
    width: int,
    *,
    file: io.StringIO | None = None,
) -> list[str]:
    file = _Terminal() if file is None else file
    console = Console(file=file, width=width, color_system=None, markup=False, highlight=False)
    print_table(columns, rows, console)
    return file.getvalue().splitlines()


def test_what_fits_is_shown_whole_and_flush() -> None:
    assert printed(COLUMNS, ROWS, 80) == [
        "model                    clean  robust  verdict",
        "resnet8-silu-sat-digits   99.2    76.7  holds: the claim lies in the interval",
    ]


def test_prose_wraps_below_itself_between_words() -> None:
    assert printed(COLUMNS, ROWS, 64)[1:] == [
        "resnet8-silu-sat-digits   99.2    76.7  holds: the claim lies in",
        " " * 40 + "the interval",
    ]


@pytest.mark.parametrize(
    ("width", "left"),
    [
        (63, "1 column left out: verdict; --wide shows it"),
        (37, "2 columns left out: clean, verdict; --wide shows them"),
        (30, "3 columns left out: clean, robust, verdict; --wide shows them"),
        (10, "3 columns left out: clean, robust, verdict; --wide shows them"),
    ],
)
def test_the_least_important_columns_are_left_out_and_named(width: int, left: str) -> None:
    head, row, *hint = printed(COLUMNS, ROWS, width)
    assert " ".join(line.strip() for line in hint) == left
    assert row.startswith("resnet8-silu-sat-digits")
    assert head.split() == [
        name for name in ("model", "clean", "robust", "verdict") if name not in left
    ]


def test_a_narrow_column_does_not_outlive_a_more_important_one() -> None:
    columns = (TableColumn("name"), TableColumn("long"), TableColumn("n"))
    assert printed(columns, [("a", "x" * 30, "1")], 20)[0] == "name"


def test_a_pipe_gets_every_column_on_one_line() -> None:
    lines = printed(COLUMNS, [(*ROWS[0][:3], "word " * 60)], 40, file=io.StringIO())
    assert len(lines) == 2
    assert lines[1].endswith(("word " * 60).strip())


def test_wide_shows_all() -> None:
    @click.command()
    @wide_option
    def command() -> None:
        lines.extend(printed(COLUMNS, ROWS, 20))

    lines: list[str] = []
    command.main([], standalone_mode=False)
    assert lines.pop(0) == "model"
    lines.clear()
    command.main(["--wide"], standalone_mode=False)
    assert len(lines) == 2
    assert lines[0].split() == ["model", "clean", "robust", "verdict"]


def test_heads_of_two_lines_stand_on_their_numbers() -> None:
    columns = (
        TableColumn("model"),
        TableColumn("measured PGD-50", "measured\nPGD-50", is_right=True),
    )
    assert printed(columns, [("a", "1.0")], 80)[:2] == ["       measured", "model    PGD-50"]


def test_a_row_of_one_cell_stands_across_and_styles_stay() -> None:
    file = _Terminal()
    console = Console(file=file, width=80, force_terminal=True, color_system="standard")
    rows = [("a section that is longer than the first column",), (Text("ok", style="green"), "b")]
    print_table((TableColumn("x"), TableColumn("y")), rows, console)
    lines = file.getvalue().splitlines()
    assert lines[1] == "a section that is longer than the first column"
    assert lines[2] == "\x1b[32mok\x1b[0m  b"


def test_what_cannot_be_seen_is_shown_as_escapes_and_counted_so() -> None:
    lines = printed(
        (TableColumn("name"), TableColumn("n")), [("a\x1b[2J[bold]", "1"), ("b", "2")], 80
    )
    assert lines[1:] == ["a\\x1b[2J[bold]  1", "b               2"]


WORDS = st.lists(st.text("abcdef\u4e2d-", min_size=1, max_size=30), max_size=12).map(" ".join)


@settings(max_examples=40)
@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(30, 120))
def test_no_line_is_too_long_and_no_word_is_cut(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    columns = (
        TableColumn("one"),
        TableColumn("two", is_right=True),
        TableColumn("three", is_prose=True),
    )
    lines = printed(columns, rows, width)
    words = {word for row in rows for cell in row for word in cell.split()}
    hint = "1 2 column columns left out: two, three; three --wide shows it them"
    words |= set(hint.split())
    longest = max([3, *(cell_len(row[0]) for row in rows)])
    for line in lines[1:]:
        assert set(line.split()) <= words
        # Longer are only a name that does not fit at all, and a word behind all that must stand.
        lone = max(map(cell_len, line.split()), default=0)
        assert cell_len(line) <= max(width, longest, width - PROSE + lone)


@settings(max_examples=40)
@given(WORDS, st.integers(1, 60))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    lines = [line.plain for line in wrapped(Text(text), width)]
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    for line in lines:
        assert cell_len(line) <= width or not re.search(r"\S\s+\S", line)
