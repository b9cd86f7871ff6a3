"""300 Reports with one thing changed by chance: no false total is believed, nothing falls over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.errors import ReportError
from eval.report.report import Report
from leaderboard.results import RESULTS, Results, read_report, read_results
from tests.leaderboard.light import with_few_published, without_libraries
from tests.leaderboard.mutating import Content, falsehoods, mutants

Make = Callable[..., Report]
Run = Callable[..., Any]

GOOD = RESULTS / "resnet8-silu-sat-digits.pgd-50.json"
N = 300


@pytest.fixture(scope="module")
def changes(made: Make) -> list[tuple[str, Content]]:
    """What was changed, and the Report that came of it."""
    bases = [
        made(["robust", "pgd-50", "clean", "robust"] * 3),
        made(["robust", "apgd-ce", "clean", "square"] * 3, protocol="autoattack"),
        made(["right", "clean", "right"] * 3, protocol="clean"),
        made(["robust", "pgd-sat-20"] * 4, protocol="pgd-sat-20@1", last=0.75),
    ]
    contents = [json.loads(report.to_json()) for report in bases]
    assert [falsehoods(one) for one in contents] == [[]] * 4
    return list(mutants([*contents, json.loads(GOOD.read_text())], N))


@pytest.fixture(scope="module")
def folder(changes: list[tuple[str, Content]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, and a good one of each of two models among them."""
    folder = tmp_path_factory.mktemp("mutants")
    for i, (_, content) in enumerate(changes):
        (folder / f"{i:03}.json").write_text(json.dumps(content))
    for name in (GOOD.name, "resnet8-relu-at-digits.pgd-50.json"):
        (folder / name).write_bytes((RESULTS / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Results:
    return read_results(folder)


def test_what_is_believed_is_true(changes: list[tuple[str, Content]], folder: Path) -> None:
    refused = []
    for i, (what, _) in enumerate(changes):
        path = folder / f"{i:03}.json"
        try:
            report = read_report(path)
        except ReportError as error:
            refused.append((f"report {path}", str(error)))
            continue
        assert falsehoods(json.loads(report.to_json())) == [], what
        assert falsehoods(json.loads(path.read_text())) == [], what
    assert all(said.startswith(which) and said.isprintable() for which, said in refused)
    assert len(changes) == N
    assert len(refused) > 0.7 * N


def test_a_folder_of_them_is_shown_but_for_those(
    sat_zoo: Run, found: Results, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the site has beside them is the same whatever they say.
    without_libraries(monkeypatch)
    with_few_published(monkeypatch, every=20)
    assert len(found.stored) + len({one.path for one in found.refused}) >= N / 2
    good = {one.report.model.name for one in found.stored}
    assert {"resnet8-silu-sat-digits", "resnet8-relu-at-digits"} <= good
    for args in (
        ("show", "digits", "--only", "--results", folder),
        ("build", "--only", "--results", folder, "--out", tmp_path / "site"),
    ):
        done = sat_zoo("leaderboard", *args)
        assert done.code == 0, done.err
        assert len(done.err.splitlines()) == len(found.refused)
        assert done.err.replace("\n", "").isprintable()
        assert "resnet8-relu-at-digits" in done.out or args[0] == "build"
    pages = list((tmp_path / "site").rglob("*.html"))
    assert any("resnet8-relu-at-digits" in page.name for page in pages)


def test_one_alone_is_one_sentence(
    sat_zoo: Run, found: Results, folder: Path, tmp_path: Path
) -> None:
    bad = [one.path for one in found.refused if "of the same run as" not in one.reason][::30]
    for path in bad:
        for args in (
            ("verify", path),
            ("compare", path, GOOD),
            ("leaderboard", "add", path, "--results", tmp_path / "new"),
            ("leaderboard", "check", path),
        ):
            done = sat_zoo(*args)
            if args[0] == "verify" and done.code == 0:
                continue  # what no card and no table would believe may follow from its verdicts
            assert (done.code, done.out) == (1, ""), (args, done)
            assert done.err.count("\n") == 1, args
            assert done.err[:-1].isprintable()
            assert path.name in done.err
    assert not (tmp_path / "new").exists()
