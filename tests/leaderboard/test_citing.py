"""A row taken away: to a bibliography, into a table, to a shell."""

import ast
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from eval import Report
from leaderboard.bibtex import Paper, authors, bibtex, key
from leaderboard.boards import Board, Leaderboard, leaderboard
from leaderboard.citing import _loaded_by_name, copies
from leaderboard.published import published
from leaderboard.rows import BoardRow

Make = Callable[..., Report]
Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def whole() -> Leaderboard:
    return leaderboard()


def found(whole: Leaderboard, model: str, board: str = "") -> tuple[Board, BoardRow]:
    return next(
        (one, row)
        for one in whole.boards
        for row in (*one.rows, *one.excluded)
        if row.model == model and one.key.startswith(board)
    )


def texts(whole: Leaderboard, model: str, board: str = "") -> dict[str, str]:
    return {one.key: one.text for one in copies(*found(whole, model, board))}


def balance(text: str) -> int:
    """As BibTeX counts: a brace behind a backslash counts too."""
    depth = 0
    for char in text:
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    return depth


def test_a_paper_is_an_entry_with_its_title_people_year_and_address(whole: Leaderboard) -> None:
    assert texts(whole, "Rony2019Decoupling")["bibtex"] == (
        "@misc{rony2019decoupling,\n"
        "  title = {{Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial"
        " Attacks and Defenses}},\n"
        r"  author = {J\'{e}r\^{o}me Rony and Luiz G. Hafemann and Luiz S. Oliveira and Ismail Ben"
        " Ayed and Robert Sabourin and Eric Granger},\n"
        "  year = {2019},\n"
        "  howpublished = {CVPR 2019},\n"
        "  eprint = {1811.09600},\n"
        "  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/1811.09600},\n"
        "}"
    )


def test_an_official_model_is_cited_by_its_paper_and_no_other_of_ours_is(
    whole: Leaderboard,
) -> None:
    entry = texts(whole, "resnet50-silu-sat")["bibtex"]
    assert entry.startswith("@misc{xie2020smooth,")
    assert "  eprint = {2006.14536}," in entry
    assert "bibtex" not in texts(whole, "resnet8-silu-sat-digits")
    assert "bibtex" not in texts(whole, "Standard"), "an undefended network is no paper"


def test_every_committed_paper_is_one_whole_entry_of_ascii_with_a_key_of_its_own() -> None:
    titles: dict[str, str] = {}
    papers = [entry for entry in published() if entry.venue != "N/A"]
    for entry in papers:
        paper = Paper.of(entry)
        text = bibtex(paper)
        assert text.isascii()
        assert balance(text) == 0
        assert re.fullmatch(r"[a-z]+(20\d\d)?[a-z0-9]*", key(paper))
        assert titles.setdefault(key(paper), entry.title) == entry.title
    assert len({entry.title for entry in papers}) > 80


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("A B, C D and E F", ("A B", "C D", "E F")),
        ("A B, C D, and E F", ("A B", "C D", "E F")),
        ("A B and C D", ("A B", "C D")),
        ("Kundu, Souvik and Beerel, Peter A", ("Kundu, Souvik", "Beerel, Peter A")),
        ("One Alone", ("One Alone",)),
        (None, ()),
    ],
)
def test_people_are_told_apart_however_a_source_lists_them(
    text: str | None, people: tuple[str, ...]
) -> None:
    assert authors(text) == people


def test_a_title_of_any_signs_ends_no_field_of_the_entry() -> None:
    of = Paper("50% {of} a } \\input{x} & #1 שלום", ("Band and Company",), None, None, "u", None)
    entry = bibtex(of)
    assert balance(entry) == 0
    assert entry.count("\n") == 4
    assert r"50\% \textbraceleft{}of\textbraceright{} a \textbraceright{}" in entry
    assert "[}U+05E9 U+05DC U+05D5 U+05DD{]" in entry
    assert "author = {Band {and} Company}" in entry


def test_load_model_is_offered_for_every_row_that_robustbench_has_weights_of(
    whole: Leaderboard,
) -> None:
    done = texts(whole, "Wong2020Fast", "cifar10-linf")["python"]
    assert done == (
        "from robustbench.utils import load_model\n\n"
        'model = load_model(model_name="Wong2020Fast", dataset="cifar10", threat_model="Linf")'
    )
    l2 = texts(whole, "Rony2019Decoupling")["python"]
    assert 'model_name="Rony2019Decoupling", dataset="cifar10", threat_model="L2"' in l2
    # In its tables, but not among the models that its package loads.
    assert "python" not in texts(whole, "Xiao2020Enhancing")
    assert "python" not in texts(whole, "Madry2018Towards")
    # A paper's own number, which RobustBench does not have.
    assert "python" not in texts(whole, "Pang2020Bag_WRN-34-10_eps031")


def test_only_rows_of_robustbench_say_whether_it_loads_them() -> None:
    known = [entry for entry in published() if entry.loads is not None]
    assert all("github.com/RobustBench" in entry.source for entry in known)
    assert (len(known), sum(bool(entry.loads) for entry in known)) == (188, 188 - 23)


def test_a_snippet_is_a_program_and_names_the_model(whole: Leaderboard) -> None:
    for board in whole.boards:
        for row in (*board.rows, *board.excluded):
            for one in copies(board, row):
                if one.key == "python":
                    ast.parse(one.text)
                    name = row.published.id if row.published else row.model
                    assert f'"{name}"' in one.text


def test_the_command_of_a_row_names_attack_threat_and_images(whole: Leaderboard) -> None:
    def of(model: str, board: str) -> str | None:
        return texts(whole, model, board).get("shell")

    assert of("resnet50-silu-sat", "imagenet-linf-4-255-full") == (
        "sat-zoo eval resnet50-silu-sat --attack autoattack --norm Linf --eps 4/255"
    )
    assert of("resnet18-w16-silu-sat-cifar10", "cifar10-linf-8-255-first") == (
        "sat-zoo eval resnet18-w16-silu-sat-cifar10 --attack autoattack-standard@1 --norm Linf"
        " --eps 8/255 --n 1000"
    )
    jpeg = of("resnet18-w16-silu-sat-cifar10", "cifar10-jpeg")
    assert jpeg is not None
    assert jpeg.endswith(" --data cifar10-jpeg")
    assert of("Wong2020Fast", "cifar10") is None


def test_somebody_s_own_model_has_no_snippet_no_command_and_no_paper(
    made: Make, results: Folder
) -> None:
    strange = 'x"); import os; ("'
    boards = leaderboard([results(made(model=strange), made(model="$(reboot)", weights="v"))])
    for name in (strange, "$(reboot)"):
        assert set(texts(boards, name)) == {"latex", "markdown", "csv"}


@pytest.mark.parametrize(
    ("name", "source", "is_loaded"),
    [
        ("robustbench:imagenet/Linf/Salman2020Do_R18", "library", True),
        ("torchvision:resnet50/IMAGENET1K_V2", "library", True),
        ("torchvision:resnet50/IMAGENET1K_V2", "file", False),
        ("robustbench:imagenet/Linf/x;reboot", "library", False),
        ("resnet8-silu-example-digits", "library", False),
    ],
)
def test_a_model_of_another_package_stands_under_its_name_and_is_loaded_by_it(
    made: Make, results: Folder, name: str, source: str, is_loaded: bool
) -> None:
    boards = leaderboard([results(made(model=name, source=source))])
    _, row = found(boards, name)
    assert row.model == name
    assert _loaded_by_name(row) == (name if is_loaded else None)


def test_other_weights_under_a_name_of_the_zoo_are_not_loaded_by_that_name(
    made: Make, results: Folder
) -> None:
    name = "resnet50-silu-sat"
    facts = {"parameters": 25_557_032, "classes": 1000, "data": "imagenet", "eps": "4/255"}
    reports = [made(model=name, weights=one, source="store", **facts) for one in "vw"]
    boards = leaderboard([results(*reports)])
    rows = [row.model for board in boards.boards for row in board.rows if "(weights" in row.model]
    assert len(rows) == 2
    for one in rows:
        assert not {"python", "shell", "bibtex"} & set(texts(boards, one))


def test_lines_say_what_they_are_about_and_whose_the_number_is(whole: Leaderboard) -> None:
    done = texts(whole, "Kang2021Stable")
    assert "cifar10, Linf eps 8/255, all 10,000 images" in done["latex"].splitlines()[0]
    assert "64.2 {\\scriptsize (63.3--65.1)}" in done["latex"]
    assert "stronger than third-party AutoAttack" in done["latex"]
    assert "64.2 (63.3 to 65.1)" in done["markdown"]
    (row,) = csv.DictReader(io.StringIO(done["csv"]))
    assert (row["robust"], row["robust_n"], row["dataset"]) == ("0.642", "10000", "cifar10")
    assert float(row["robust_low"]) < 0.642 < float(row["robust_high"])
    claimed = texts(whole, "resnet50-silu-sat", "imagenet-linf-4-255-full")
    assert "claimed PGD-50" in claimed["csv"]


def test_lines_of_hostile_names_are_harmless_and_short(made: Make, results: Folder) -> None:
    names = ["a | b [c](javascript:x) <i>", "=SUM(1)", "\\input{x} & 100 %", "שלום", "n" * 190]
    boards = leaderboard([results(*(made(model=one, weights=one) for one in names))])
    for name in names:
        done = texts(boards, name)
        page = str(MarkdownIt("commonmark").enable("table").render(done["markdown"]))
        tags = {"p", "table", "thead", "tbody", "tr", "th", "td"}
        assert set(re.findall(r"</?(\w+)", page)) == tags
        line = done["latex"].splitlines()[-1]
        assert line.isascii()
        assert len(re.findall(r"(?<!\\)&", line)) == 4
        assert max(map(len, done["markdown"].splitlines())) < 250
        (row,) = csv.DictReader(io.StringIO(done["csv"]))
        assert row["model"] == (f"'{name}" if name.startswith("=") else name)
    assert "% שלום" in texts(boards, "שלום")["latex"].splitlines()
