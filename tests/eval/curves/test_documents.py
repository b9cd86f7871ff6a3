"""The numbers of docs/curves.md are those of the committed files."""

import shlex
from pathlib import Path

import pytest

from eval.curves.curve import Curve
from eval.curves.plan import curve_plan
from eval.report.percent import percent, percent_range, signed_points

ROOT = Path(__file__).resolve().parents[3]
EVAL = ROOT / "eval"
FILES = sorted((EVAL / "curve_results").glob("*.json"))
TEXT = (ROOT / "docs" / "curves.md").read_text("utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_stands_on_the_page(path: Path) -> None:
    found = Curve.read(path)
    a, b = found.series
    assert path.name in TEXT
    for p, q, gap in zip(a.points, b.points, found.differences, strict=True):
        cells = [
            f"{percent(x.accuracy.accuracy)} ({percent_range(*x.accuracy.ci95)})" for x in (p, q)
        ]
        low, high = map(signed_points, gap.ci95)
        row = [p.at_text, *cells, f"{signed_points(gap.difference)} ({low} to {high})"]
        assert f"| {' | '.join(row)} |" in TEXT
    assert not a.stays_up
    assert not b.stays_up


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_curve_is_of_the_points_that_its_command_asks_for(path: Path) -> None:
    found = Curve.read(path)
    words = shlex.split(found.command)
    said = words[words.index(f"--{found.along}") + 1]
    plan = curve_plan(**({"eps": found.eps_text} | {found.along: said}))  # type: ignore[arg-type]
    assert [p.text for p in plan.points] == [p.at_text for p in found.series[0].points[1:]]
    assert path.with_suffix(".svg").read_text("utf-8").startswith("<svg")


def test_the_command_on_the_page_is_the_one_in_the_file() -> None:
    assert Curve.read(EVAL / "curve_results/digits-eps.json").command in TEXT
    assert len(FILES) == 2
