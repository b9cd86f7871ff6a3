"""The files: whole, and harmless whatever a stranger calls a model."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from eval import Report
from leaderboard import escape
from leaderboard.boards import RESULTS, leaderboard
from leaderboard.export import to_csv, to_json, to_latex, to_markdown, write_all

Make = Callable[..., Report]
Folder = Callable[..., Path]

HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "a | b | c",
    "`code` *bold* _it_ ~gone~ $x$",
    "https://evil.example www.evil.example",
    "=HYPERLINK(1)",
    "@SUM(1)",
    r"\input{/etc/passwd}",
    "100% & #1 {x} ^2 ~",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "two\nlines",
    "- item",
    "1. item",
    "&lt;b&gt;",
]


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(text))


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_hostile_names_as_words(name: str) -> None:
    line = f"| a | b |\n| --- | --- |\n| {escape.markdown(name)} | end |\n"
    page = rendered(line)
    assert set(re.findall(r"</?(\w+)", page)) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("<td>") == 2
    listed = rendered(escape.markdown(name))
    assert re.fullmatch(r"<p>[^<]*</p>\n", listed)


@given(st.text())
def test_markdown_of_any_text_is_one_paragraph_of_words(name: str) -> None:
    assert re.fullmatch(r"(<p>[^<]*</p>\n)?", rendered(escape.markdown(name)))


@given(st.text())
@example("0 \x1b\x850")
@example("a \u200e b")
@example(" \x00 ")
def test_plain_text_is_one_line_without_control_or_direction(name: str) -> None:
    text = escape.plain(name)
    assert text == text.strip()
    assert text.isprintable()
    assert escape.plain(text) == text


@given(st.text())
def test_no_csv_cell_is_a_formula_and_csv_gives_it_back(name: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerow([escape.csv_cell(name), "end"])
    (row,) = csv.reader(io.StringIO(text.getvalue()))
    assert row == [escape.csv_cell(name), "end"]
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))


LATEX = re.compile(
    r"\\text(?:backslash|ascii(?:tilde|circum|grave)|less|greater|bar|brace(?:left|right))\{\}"
    r"|\\[&$#_%]|\{[\[\]]\}|\{\}(?=[-'])"
    r"|\\(?:ss|ae|AE|oe|OE|o|O|l|L|i|dots)\{\}"
    r"|\$(?:-|\^[23]|\^?\\[a-z]+)\$"
    r"|``?"  # written for the quotes that begin
)
ACCENT = re.compile(r"\\(?:[`'^~=.\"]|[urHvdcb](?=\{))\{([A-Za-z\0]+)\}")


@given(st.text())
@example("À Ǘ x{y} a--b '' “q” ε=8/255 ½ ₂")
def test_latex_of_any_text_is_ascii_with_no_active_character(name: str) -> None:
    text = escape.latex(name)
    assert text.isascii()
    rest, n = ACCENT.subn("\0", text)
    while n:
        rest, n = ACCENT.subn("\0", rest)
    assert not set(LATEX.sub("", rest)) & set("\\{}$&#_%~^<>|`[]")
    assert "--" not in text.replace("{}-", "") or set(name) & set("–—")


@pytest.mark.parametrize(
    ("name", "text", "is_told"),
    [
        ("שלום-net", "{[}U+05E9 U+05DC U+05D5 U+05DD{]}-net", True),
        ("日本 v2", "{[}U+65E5 U+672C{]} v2", True),
        ("сеть", "{[}U+0441 U+0435 U+0442 U+044C{]}", True),
        ("🙂", "{[}U+1F642{]}", True),
        ("Ą", "{[}U+0104{]}", True),  # its ogonek wants another font encoding
        ("Rodríguez-Muñoz", r"Rodr\'{i}guez-Mu\~{n}oz", False),
        ("Łukasz Weiß", r"\L{}ukasz Wei\ss{}", False),
        ("ResNet–50 × 2", r"ResNet--50 $\times$ 2", False),
        ("a--b''", "a-{}-b'{}'", False),
        ("\u202eabc\x1b[31m", "abc{[}31m", False),
    ],
)
def test_what_latex_cannot_set_is_written_by_code_points_with_the_text_in_a_comment(
    name: str, text: str, is_told: bool
) -> None:
    assert escape.latex(name) == text
    assert escape.latex_original(name) == (f"% {name}" if is_told else None)


@pytest.mark.parametrize("n", [60, 61, 200, 5000])
def test_a_long_name_is_cut_in_its_middle_and_keeps_the_end_that_tells_it_apart(n: int) -> None:
    name = ("n" * n)[: n - 18] + "(weights 1a2b3c4d)"
    text = escape.short(name)
    assert len(text) == 60
    assert text.endswith("(weights 1a2b3c4d)")
    assert ("…" in text) == (n > 60)


def test_files_are_harmless_with_hostile_models(
    made: Make, results: Folder, tmp_path: Path
) -> None:
    names = [name for name in HOSTILE if name.isprintable()]  # no Report has the others
    whole = leaderboard([results(*(made(model=name) for name in names), broken="<b>")])
    page = rendered(to_markdown(whole))
    allowed = {"h1", "h2", "p", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert set(re.findall(r"</?(\w+)", page)) == allowed
    rows = list(csv.DictReader(io.StringIO(to_csv(whole))))
    assert not [v for row in rows for v in row.values() if v.startswith(("=", "@", "+", "-"))]
    for line in to_latex(whole).splitlines():
        assert line == "" or line.startswith("% ") or re.match(r"\\texttt\{.*\\\\$", line)
    models = [
        row["model"] for board in json.loads(to_json(whole))["boards"] for row in board["rows"]
    ]
    assert set(names) <= set(models)


def test_csv_and_json_hold_every_number_exactly(tmp_path: Path) -> None:
    whole = leaderboard()
    rows = list(csv.DictReader(io.StringIO(to_csv(whole))))
    for path in RESULTS.glob("*.json"):
        report = Report.read(path)
        lines = [row for row in rows if row["from"] == path.name and row["source"] == "measured"]
        for line in lines:
            share = report.clean if line["protocol"] == "clean" else report.robust
            assert float(line["accuracy"]) == share.accuracy
            assert line["correct"] == ("" if share.estimated else str(share.correct))
    told = json.loads(to_json(whole))
    in_json = [
        number["accuracy"]
        for board in told["boards"]
        for row in (*board["rows"], *board["excluded"])
        for number in (*row["numbers"], *filter(None, [row["best_known"]]))
    ]
    assert sorted(in_json) == sorted(float(row["accuracy"]) for row in rows)
    assert {
        number["kind"] for b in told["boards"] for r in b["rows"] for number in r["numbers"]
    } == {
        "measured",
        "third-party",
        "claimed",
    }
    assert "/results/" not in to_json(whole), "no path of this machine"


def test_all_files_are_written(tmp_path: Path) -> None:
    paths = write_all(leaderboard([tmp_path]), tmp_path)
    assert [path.name for path in paths] == [
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.tex",
    ]
    text = paths[0].read_text("utf-8")
    assert "Nothing was measured by us yet" in text
    assert "sat-zoo leaderboard add report.json" in text
    assert "| 64.2 (63.3 to 65.1) |" in text
    assert "| 71.3 (70.4 to 72.2) |" in text
