"""A curve is drawn into files that are what their names say."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval import curve
from eval.curves.curve import Curve
from eval.curves.draw import draw, specification
from eval.errors import ReportError, UsageError
from tests.eval.curves.conftest import Known

Make = Callable[[int], Known]


@pytest.fixture(scope="module")
def one(known: Make) -> Curve:
    case = known(0)
    return curve(case.model, case.images, eps="10/255:40/255:10/255", name="mine")


@pytest.fixture(scope="module")
def two(known: Make, one: Curve) -> Curve:
    other, mine = known(7), known(0)
    found = curve(other.model, mine.images, eps="10/255:40/255:10/255", name="theirs")
    return one.beside(found)


def texts(path: Path) -> str:
    root = ET.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(t for e in root.iter() for t in (e.text or "",) if t.strip())


def test_a_curve_is_drawn_as_svg(one: Curve, tmp_path: Path) -> None:
    draw(one, tmp_path / "c.svg")
    said = texts(tmp_path / "c.svg")
    assert "mine on 40 images of custom (all)" in said
    assert "eps in 1/255, Linf" in said
    assert "check at eps 0.5: 0.0 % stand" in said
    assert "Difference" not in said


def test_two_curves_are_drawn_with_their_difference(two: Curve, tmp_path: Path) -> None:
    draw(two, tmp_path / "c.SVG")
    said = texts(tmp_path / "c.SVG")
    assert "mine minus theirs" in said
    assert "Difference, points" in said


def test_a_curve_along_steps_is_drawn_as_png(known: Make, tmp_path: Path) -> None:
    case = known(0)
    found = curve(case.model, case.images, eps="8/255", steps="1,2,5", check=False)
    draw(found, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800
    spec = str(specification(found))
    assert "pgd, Linf eps 8/255" in spec
    assert "no check at a large eps" in spec


def test_one_model_twice_is_told_apart(one: Curve) -> None:
    assert "'A: mine'" in str(specification(one.beside(one)))


def test_every_point_is_in_the_drawing(two: Curve) -> None:
    spec = specification(two)
    above, below = spec["vconcat"]
    rows = values(spec, above)
    shown = [row["accuracy"] for row in rows if row["model"] == "mine"]
    assert shown == [100 * p.accuracy.accuracy for p in two.series[0].points]
    assert [row["x"] for row in rows[:5]] == [0, 10, 20, 30, 40]
    gaps = [row for row in values(spec, below) if "difference" in row]
    assert [row["difference"] for row in gaps] == [100 * d.difference for d in two.differences]


def values(spec: dict[str, Any], panel: dict[str, Any]) -> list[dict[str, float]]:
    """The rows of the first data set in a panel."""
    data = panel.get("data") or panel["layer"][0]["data"]
    found: list[dict[str, float]] = spec["datasets"][data["name"]]
    return found


@pytest.mark.parametrize("name", ["c.bmp", "c", "c.svg.gz", "svg"])
def test_a_file_of_another_kind_is_refused_in_one_sentence(
    one: Curve, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match=r"end its name in \.svg or \.png"):
        draw(one, tmp_path / name)


def test_a_folder_that_is_not_there_is_refused_in_one_sentence(one: Curve, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="does not exist"):
        draw(one, tmp_path / "no" / "c.svg")
