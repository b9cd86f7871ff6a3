"""A Report without an attack has one number, clean accuracy: in every table, file and page."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError
from leaderboard import export
from leaderboard.boards import leaderboard
from leaderboard.columns import Column
from leaderboard.compare import compare
from leaderboard.results import RESULTS
from leaderboard.site.modelview import model_view
from leaderboard.twins import holds

Make = Callable[..., Report]
Folder = Callable[..., Path]
Run = Callable[..., Any]
VERDICTS = ("right", "clean", "right", "right")


def clean(made: Make, verdicts: tuple[str, ...] = VERDICTS, **more: Any) -> Report:
    return made(verdicts, protocol="clean", **more)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_file_has_a_robust_number_exactly_if_it_attacked(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    is_attacked = bool(content["protocol"]["stages"])
    assert (content["robust"] is not None) == is_attacked
    assert ("robust" in content["images"]["verdicts"]) == is_attacked


def test_a_row_of_a_clean_run_has_no_robust_number_and_no_rank(made: Make, results: Folder) -> None:
    whole = leaderboard([results(clean(made, model="only-clean", data="toy"))])
    ((board, row),) = [(b, r) for b in whole.boards for r in b.rows if r.model == "only-clean"]
    assert (dict(row.robust), row.rank) == ({}, None)
    assert row.clean is not None
    assert row.clean.correct == 3
    assert row.numbers == {Column("measured", "clean"): row.clean}
    view = model_view(row, board)
    assert [it["what"] for it in view["numbers"]] == ["Clean"]
    assert [(it["what"], it["whose"]) for it in view["headline"]] == [
        ("Clean", "measured, by whom is not known")
    ]
    said = {k: v for k, v in view.items() if k not in {"unranked", "copies"}}
    assert "robust" not in json.dumps(said, default=str).lower()


def test_exports_of_a_clean_run_hold_one_number(made: Make, results: Folder) -> None:
    whole = leaderboard([results(clean(made, model="only-clean"))])
    rows = csv.DictReader(io.StringIO(export.to_csv(whole)))
    assert [r["protocol"] for r in rows if r["model"] == "only-clean"] == ["clean"]
    told = json.loads(export.to_json(whole))
    (row,) = [r for b in told["boards"] for r in b["rows"] if r["model"] == "only-clean"]
    assert [it["protocol"] for it in row["numbers"]] == ["clean"]
    for text in (export.to_markdown(whole), export.to_latex(whole)):
        (line,) = [it for it in text.splitlines() if "only-clean" in it]
        assert line.count("75.0") == 1


def test_two_clean_runs_are_compared_by_what_is_right(made: Make) -> None:
    a, b = clean(made), clean(made, ("right", "right", "clean", "clean"))
    done = compare(a, b)
    assert done.robust is None
    assert (done.clean.only_a, done.clean.only_b) == (2, 1)
    assert (done.kept_by_a_only, done.kept_by_b_only) == (("2", "3"), ("1",))
    assert done.lost_by_b == {"clean": 2}
    told = json.loads(json.dumps(done.to_dict()))
    assert (told["robust"], told["held"], told["n"]) == (None, "clean", 4)
    assert done.notes == (
        "A and B attacked nothing, so only accuracy without an attack is compared",
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_a_clean_run_beside_an_attacked_one_is_not_called_more_robust(
    made: Make, is_first: bool
) -> None:
    attacked = made(["pgd-50", "clean", "robust", "robust"])
    pair = (clean(made), attacked) if is_first else (attacked, clean(made))
    done = compare(*pair)
    assert done.robust is None
    assert done.clean.difference == 0
    assert (done.kept_by_a_only, done.kept_by_b_only) == ((), ())
    assert done.notes[0].startswith("A attacked" if is_first else "B attacked")


def test_nobody_is_told_which_images_of_a_clean_run_are_robust(made: Make) -> None:
    assert holds(clean(made), clean=True) == [True, False, True, True]
    with pytest.raises(ReportError, match="which attacks nothing: it does not say which images"):
        holds(clean(made))


def test_the_commands_do_not_say_robust_of_a_clean_run(
    sat_zoo: Run, made: Make, results: Folder, tmp_path: Path
) -> None:
    two = results(clean(made), clean(made, ("right", "right", "clean", "clean")))
    done = sat_zoo("compare", two / "0.json", two / "1.json")
    assert done.code == 0, done.err
    assert "robust" not in done.out
    assert "4 images, paired" in done.out
    done = sat_zoo("leaderboard", "add", two / "0.json", "--results", tmp_path / "stored")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].endswith("clean, clean 75.0 % of 4 images")
    done = sat_zoo("verify", two / "0.json")
    assert "clean, clean 3 of 4 images, their accuracies and intervals, no attack," in done.out
    assert "robust" not in done.out
