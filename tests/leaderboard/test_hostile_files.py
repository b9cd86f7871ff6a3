"""One bad file among results: it is named, left out, and stops nothing; nor does any text draw."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from leaderboard.results import RESULTS

Make = Callable[..., Report]
Run = Callable[..., Any]
Folder = Callable[..., Path]

GOOD = RESULTS / "resnet8-silu-sat-digits.pgd-50.json"


def changed(**changes: Any) -> str:
    content = json.loads(GOOD.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        node = content
        for parent in parents:
            node = node[int(parent)] if parent.isdigit() else node[parent]
        node[last] = value
    return json.dumps(content)


HOSTILE = {
    "long-number": changed(clean__correct=10**400).replace("Infinity", "1"),
    "nan": changed(clean__accuracy=float("nan")),
    "infinite": changed(seconds=float("inf")),
    "huge-eps": changed(threat__eps_text="1e3000000000"),
    "huge-step": changed(protocol__stages__0__step_size="1e-3000000000"),
    "draws": changed(model__name="\x1b[1A\x1b[2Kevery total follows: robust 98"),
    "deep": "[" * 2000 + "]" * 2000,
    "last": changed(stages__0__last_iterate_accuracy=1.0),
    "negative": changed(stages__0__forwards=-1),
    "twice": '{"schema": 1, "schema": 1}',
    "binary": "\udcff\udcfe",
    "empty": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good reports among hostile ones."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name, content in HOSTILE.items():
        (folder / f"{name}.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    os.mkfifo(folder / "fifo.json")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "gone.json").symlink_to(folder / "nowhere")
    (folder / "folder.json").mkdir()
    (folder / "a\x1b[2J\n.json").write_text("{")
    for name in ("pgd-50", "clean"):
        report = RESULTS / f"resnet8-silu-sat-digits.{name}.json"
        (folder / report.name).write_bytes(report.read_bytes())
    return folder


N_BAD = len(HOSTILE) + 6


def test_every_command_on_a_folder_names_the_bad_files_and_goes_on(
    sat_zoo: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "tables").mkdir()
    for args in (
        ("show", "digits", "--results", folder),
        ("show", "--json", "--results", folder),
        # `build`, which takes longest, meets such files in test_mutated_reports.
        ("export", "--results", folder, "--out", tmp_path / "tables"),
        ("add", RESULTS / "resnet8-relu-at-digits.pgd-50.json", "--results", folder),
    ):
        started = time.process_time()
        done = sat_zoo("leaderboard", *args)
        assert time.process_time() - started < 30
        assert done.code == 0, done.err
        lines = done.err.splitlines()
        assert all(line.isprintable() for line in lines), args
        assert len(lines) == N_BAD, args
        for name in HOSTILE:
            assert [line for line in lines if f"{name}.json" in line and "left out" in line], name
        assert "resnet8-silu-sat-digits" in done.out or args[0] in {"build", "export", "add"}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_every_command_on_a_bad_file_is_one_sentence(
    sat_zoo: Run, folder: Path, tmp_path: Path, name: str
) -> None:
    path = folder / f"{name}.json"
    for args in (
        ("verify", path),
        ("compare", path, GOOD),
        ("compare", GOOD, path),
        ("leaderboard", "add", path, "--results", tmp_path / "new"),
    ):
        started = time.process_time()
        done = sat_zoo(*args)
        assert time.process_time() - started < 5
        assert (done.code, done.out) == (1, ""), args
        assert done.err.count("\n") == 1
        assert done.err[:-1].isprintable()
        assert f"{name}.json" in done.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["fifo", "zero", "loop", "gone", "folder"])
def test_what_is_no_file_is_one_sentence_too(sat_zoo: Run, folder: Path, name: str) -> None:
    for command in (("verify",), ("compare", GOOD)):
        done = sat_zoo(*command, folder / f"{name}.json")
        assert done.code == 2
        assert done.err.count("\n") == 1


def test_a_name_too_long_or_none_at_all_is_no_crash(sat_zoo: Run, tmp_path: Path) -> None:
    for name in ("a" * 5000, "a/" * 3000, "\x1b[2J"):
        for command in (("verify",), ("compare", GOOD), ("leaderboard", "add")):
            done = sat_zoo(*command, name)
            assert done.code in {1, 2}, done.err
            assert done.err[:-1].isprintable()
        done = sat_zoo("leaderboard", "show", "--results", name)
        assert done.code in {1, 2}, done.err


def test_markup_in_a_name_is_not_obeyed(sat_zoo: Run, made: Make, results: Folder) -> None:
    folder = results(made(model="[red]a[/red] [link=x]:skull:"))
    path = next(folder.iterdir())
    for args in (
        ("verify", path),
        ("compare", path, path),
        ("leaderboard", "show", "toy", "--results", folder),
    ):
        done = sat_zoo(*args)
        assert done.code == 0, done.err
        assert "[red]a[/red] [link=x]:skull:" in done.out


@pytest.mark.parametrize("eps", ["1e-3000000000", "1e3000000000", "1/1e-9999999", "9" * 5000])
def test_a_radius_that_asks_for_a_huge_number_ends_at_once(sat_zoo: Run, eps: str) -> None:
    started = time.process_time()
    for args in (
        ("eval", "resnet8-silu-sat-digits", "--eps", eps),
        ("eval", "resnet8-silu-sat-digits", "--attack", "pgd-2", "--step-size", eps),
        ("eval", "resnet8-silu-sat-digits", "--attack", "pgd-2", "--step-size", f"eps/{eps}"),
        ("eval", "resnet8-silu-sat-digits", "--attack", "clean", "--batch-size", "9" * 5000),
        ("eval", "resnet8-silu-sat-digits", "--attack", "clean", "--seed", "9" * 300),
        ("leaderboard", "show", "digits", "--eps", eps),
    ):
        done = sat_zoo(*args)
        assert done.code == 2, done.err
        assert done.err.count("\n") == 1
    assert time.process_time() - started < 20
