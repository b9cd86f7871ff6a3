"""`sat-zoo compare` and `sat-zoo leaderboard`, as a user meets them."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eval import Report
from leaderboard.boards import boards
from leaderboard.cli import leaderboard
from leaderboard.cli.terminal import print_board
from leaderboard.export import HOW_TO_ADD
from leaderboard.narrowed import main_board, narrowed

Make = Callable[..., Report]
Folder = Callable[..., Path]
Run = Callable[..., Any]
COMMITTED = boards()
PAIR = ("resnet8-silu-sat-digits.autoattack", "resnet8-relu-at-digits.autoattack")


def test_compare_prints_the_paired_difference_by_class_and_stage(sat_zoo: Run) -> None:
    done = sat_zoo("compare", *PAIR)
    assert done.code == 0, done.err
    a, b = (
        Report.read(Path(leaderboard.__file__).parents[1] / "results" / f"{n}.json") for n in PAIR
    )
    difference = 100 * (a.robust.accuracy - b.robust.accuracy)
    assert f"{difference:+.1f} (" in done.out
    for words in ("360 images, paired", "A keeps, B loses: ", "only A", "exact McNemar", "class"):
        assert words in done.out
    told = json.loads(sat_zoo("compare", *PAIR, "--json").out)
    assert told["robust"]["difference"] == pytest.approx(difference / 100)


def test_compare_refuses_in_one_sentence(sat_zoo: Run, made: Make, results: Folder) -> None:
    folder = results(made(), made(eps="4/255"))
    done = sat_zoo("compare", folder / "0.json", folder / "1.json")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "sat-zoo: A is about Linf eps 8/255 and B about Linf eps 4/255: only reports of one threat"
        " can be compared\n"
    )
    assert sat_zoo("compare", "nothing", "nowhere").code == 2


def test_show_fits_one_screen_and_names_the_other_tables(sat_zoo: Run) -> None:
    done = sat_zoo("leaderboard", "show", "imagenet")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) <= 40
    assert done.out.startswith("imagenet, Linf eps 4/255, 5,000 images, RobustBench's fixed list\n")
    assert "--norm Linf --eps 4/255 --subset full" in done.out
    assert "add a result:\n  sat-zoo eval MODEL" in done.out
    everything = sat_zoo("leaderboard", "show", "imagenet", "--subset", "full", "--all").out
    assert "resnet50-mish-sat: not measured yet" in everything


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (("cifar10",), "cifar10-linf-8-255-full"),
        (("imagenet",), "imagenet-linf-4-255-5000-robustbench-s-fixed-list"),
        (("cifar100",), "cifar100-linf-8-255-full"),
        (("cifar10", "--norm", "L2"), "cifar10-l2-0-5-full"),
        (("cifar10", "--eps", "0.031"), "cifar10-linf-0-031-full"),
        (("imagenet", "--subset", "full"), "imagenet-linf-4-255-full"),
        (("imagenet", "--eps", "8/255"), "imagenet-linf-8-255-not-stated"),
        (("digits",), "digits-linf-3-16-full"),
    ],
)
def test_show_opens_the_table_with_most_ranked_models(asked: tuple[str, ...], key: str) -> None:
    dataset, option, value = (*asked, "--norm", None)[:3]
    assert dataset is not None
    fitting = narrowed(COMMITTED, dataset, **{str(option).removeprefix("--"): value})
    assert main_board(fitting).key == key


@pytest.mark.parametrize("dataset", ["imagenet", "cifar10", "digits", "cifar100"])
def test_what_show_offers_stands_in_one_line_and_works(sat_zoo: Run, dataset: str) -> None:
    screen = StringIO()
    board, *others = narrowed(boards(), dataset)
    print_board(board, others, Console(width=80, file=screen), everything=False)
    lines = screen.getvalue().splitlines()
    assert f"  {HOW_TO_ADD}" in lines
    offered = [line for line in lines if " --subset " in line]
    assert len(offered) == sum(bool(other.rows) for other in others)
    for line in offered:
        n, _, options = line.partition(": ")
        assert len(line) <= 80
        assert n == f"{n.split()[0]} model{'s' * (n != '1 model')}"
        done = sat_zoo("leaderboard", "show", dataset, *shlex.split(options))
        assert done.code == 0, done.err


def test_show_finds_a_table_by_eps_norm_and_images(sat_zoo: Run) -> None:
    options = ("--eps", "16/510", "--norm", "linf", "--subset", "full")
    out = sat_zoo("leaderboard", "show", "cifar10", *options).out
    assert out.startswith("cifar10, Linf eps 8/255, all 10,000 images")
    assert "73.1 (72.2 to 74.0)" in out
    assert "75.3 (74.4 to 76.1)" in out
    overview = sat_zoo("leaderboard", "show").out
    assert len(overview.splitlines()) == 1 + len(boards())
    told = json.loads(sat_zoo("leaderboard", "show", "digits", "--json").out)
    assert [board["dataset"] for board in told["boards"]] == ["digits"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("show", "imagnet"), "unknown data set 'imagnet': did you mean imagenet?"),
        (("show", "digits", "--eps", "8/255"), "unknown eps of digits '8/255': choose one of 3/16"),
        (("show", "--eps", "8/255"), "options without a data set: name one"),
        (("show", "digits", "--results", "/nowhere"), "results /nowhere do not exist"),
        (("sow",), "unknown leaderboard command 'sow': did you mean show?"),
        (
            ("export", "--out", "t", "--format", "md"),
            "--format md prints one: leave one of them out",
        ),
        (("export",), "say where: --out DIR for all files, or --format"),
        (("export", "--format", "md", "--data", "cifar1"), "unknown data set 'cifar1': did you"),
        (
            ("export", "--format", "md", "--data", "digits", "--norm", "L2"),
            "unknown norm of digits",
        ),
        (
            ("export", "--format", "md", "--norm", "L2", "--eps", "8/255"),
            "unknown eps '8/255': choo",
        ),
        (("show", "digits", "--eps", "much"), "unknown eps of digits 'much'"),
        (("build", "--only"), "--only without --results: name the folder or the report to read"),
    ],
)
def test_wrong_usage_is_named(sat_zoo: Run, args: tuple[str, ...], message: str) -> None:
    done = sat_zoo("leaderboard", *args)
    assert done.code == 2
    assert done.err.startswith("sat-zoo: ")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_files_that_cannot_be_used_are_said_on_stderr(
    sat_zoo: Run, made: Make, results: Folder
) -> None:
    folder = results(made(model="[31m[bold]evil[/] :smile:"), broken="{")
    done = sat_zoo("leaderboard", "show", "toy", "--results", folder)
    assert done.code == 0
    assert done.err.startswith(f"sat-zoo: left out: report {folder / 'broken.json'} is not a valid")
    assert "[31m[bold]evil[/] :smile:" in done.out, "shown as it is, and obeyed by nobody"
    assert "\x1b" not in done.out


def test_add_stores_and_refuses(sat_zoo: Run, made: Make, tmp_path: Path) -> None:
    path, folder = tmp_path / "r.json", tmp_path / "all"
    made().write(path)
    done = sat_zoo("leaderboard", "add", path, "--results", folder)
    assert done.code == 0, done.err
    (stored,) = folder.iterdir()
    first, images, hint = done.out.splitlines()
    assert first == f"{stored}: somebody-s-net, pgd-50, robust 50.0 % of 4 images"
    assert images.startswith("it stands among reports of toy, 4 chosen images, digest of ids ")
    assert hint.endswith("sat-zoo leaderboard add REPORT --ids FILE")
    again = sat_zoo("leaderboard", "add", path, "--results", folder)
    assert again.code == 1
    assert "to replace that one, add --force" in again.err
    assert sat_zoo("leaderboard", "add", path, "--results", folder, "--force").code == 0
    path.write_text(path.read_text().replace('"correct": 2', '"correct": 4', 1))
    assert sat_zoo("leaderboard", "add", path, "--results", folder).code == 1


def test_export_writes_four_files_or_prints_one(sat_zoo: Run, tmp_path: Path) -> None:
    done = sat_zoo("leaderboard", "export", "--out", tmp_path)
    assert done.out.split() == [
        str(tmp_path / f"leaderboard.{s}") for s in ("md", "csv", "json", "tex")
    ]
    printed = sat_zoo("leaderboard", "export", "--format", "csv").out
    assert printed == (tmp_path / "leaderboard.csv").read_text("utf-8")


def test_show_needs_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from leaderboard.cli.leaderboard import command;"
        "command.main(['show', 'imagenet'], standalone_mode=False);"
        "assert not {'torch', 'scipy', 'altair'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
