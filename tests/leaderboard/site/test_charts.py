"""What charts say and name, from made-up points: drawn as at build time, read from the picture."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from leaderboard.site.pictures import Picture, picture, placed


def point(name: str, x: float | None, y: float, **others: Any) -> dict[str, Any]:
    ends = {"x_low": x, "x_high": x, "y_low": y - 1, "y_high": y + 1}
    said = {"lines": [], "described": name, "kind": "third party", "z": 1, "counts": True}
    return {"name": name, "x": x, "y": y, **ends, **said, "year": 2020, **others}


def draw(name: str, points: list[dict[str, Any]]) -> Picture:
    return picture(name, {"points": points}, 800)


def texts(found: Picture) -> dict[str, tuple[float, float]]:
    """The names in a picture, with where each begins or ends."""
    at = r'<text[^>]*transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*>([^<]+)<'
    return {name: (float(x), float(y)) for x, y, name in re.findall(at, found.svg)}


CLOUD = [point(f"model {i}", 80 + i, 60 - i) for i in range(10)]


def test_the_front_is_named_and_counted() -> None:
    points = [*CLOUD[:3], point("beaten", 79, 50), point("flagged", 99, 99, counts=False)]
    found = draw("scatter", points)
    assert found.finding == "No model is best in both: 3 of 5 are beaten by none"
    assert {"model 0", "model 1", "model 2"} <= set(texts(found))
    assert not {"beaten", "flagged"} & set(texts(found))


def test_who_is_best_in_both_is_said() -> None:
    found = draw("scatter", [point("first", 90, 60), point("second", 89, 59)])
    assert found.finding == (
        "first is best in both: no row that counts is more accurate or more robust"
    )


def test_an_equal_in_one_that_is_less_in_the_other_is_beaten() -> None:
    points = [point("first", 90, 60), point("as clean", 90, 59), point("as robust", 89, 60)]
    assert draw("scatter", points).finding.startswith("first is best in both")


def test_where_nothing_counts_the_title_says_nothing() -> None:
    assert draw("scatter", [point("a", 90, 60, counts=False)]).finding == ""


@pytest.mark.parametrize("width", [300, 800])
def test_names_stand_in_lines_of_their_own(width: int) -> None:
    found = texts(picture("scatter", {"points": CLOUD}, width))
    heights = sorted(y for name, (_, y) in found.items() if name.startswith("model"))
    assert len(heights) == 8, "of a long front the highest"
    for one, other in itertools.pairwise(heights):
        assert other - one > 11, "as high as the letters"


def test_an_outlier_stands_at_the_edge_with_its_value() -> None:
    cloud = [point(f"m{i}", 80 + i / 2, 60 + i / 2) for i in range(12)]
    undefended = point("undefended", 95, 0.0, y_low=0, y_high=0)
    found = draw("scatter", [*cloud, undefended])
    names = texts(found)
    assert "0.0  undefended" in {re.sub("\u00a0", " ", name) for name in names}
    labels = [float(name) for name in names if re.fullmatch(r"\d+", name)]
    assert 0 not in labels, "the axis is that of the others"
    assert 60 in labels


def test_without_outliers_the_whole_axis_has_labels() -> None:
    """On digits two points with wide intervals had labels between the two alone."""
    wide = [point(f"m{y}", 90, y, y_low=y - 5, y_high=y + 4) for y in (74, 77)]
    labels = {float(name) for name in texts(draw("scatter", wide)) if re.fullmatch(r"\d+", name)}
    assert {70, 80} <= labels


def test_of_few_points_none_is_an_outlier() -> None:
    names = texts(draw("scatter", [point("a", 90, 60), point("b", 91, 59), point("c", 92, 0)]))
    assert "0.0  c" not in names
    assert "c" in names, "it is on the front"


def test_progress_says_from_where_to_where() -> None:
    years = {2018: 44.0, 2019: 40.0, 2020: 55.5, 2021: 55.0, 2022: 60.0}
    points = [point(f"of {year}", 80, y, year=year) for year, y in years.items()]
    found = draw("progress", [*points, point("claim", 80, 70, year=2022, counts=False)])
    assert found.finding == (
        "From 44.0 % in 2018 to 60.0 % in 2022: the best has gained 16.0 points"
    )
    records = {name for name in texts(found) if name.startswith("of ")}
    assert records == {"of 2018", "of 2020", "of 2022"}


def test_progress_of_one_year_is_none() -> None:
    assert draw("progress", CLOUD).finding == ""


def test_cost_compares_the_smaller_half_with_all() -> None:
    points = [point(f"m{i}", 80, 50 + i, parameters=10**6 * i) for i in range(1, 6)]
    found = draw("parameters", points)
    assert found.finding == (
        "The smaller half, up to 3.0M parameters, reaches 53.0 %; all reach 55.0 %"
    )


def test_activations_name_the_highest_median() -> None:
    points = [
        point("a", None, 50, activation="SiLU"),
        point("b", None, 40, activation="SiLU"),
        point("c", None, 44, activation="ReLU"),
    ]
    assert draw("activations", points).finding == (
        "SiLU has the highest median of 2 activations: 45.0 %, of 2 models"
    )


def test_a_picture_has_the_colours_of_both_and_nothing_that_runs() -> None:
    svg = draw("scatter", [point("<b>&\"'</b>", 90, 60)]).svg
    assert "prefers-color-scheme:dark" in svg
    assert "--accent:#0a6c74" in svg
    assert "<b>" not in svg
    assert not re.search(r"<script|\son\w+=|href|url\(|@import", svg)


def test_what_has_no_point_has_no_picture() -> None:
    files: dict[str, str] = {}
    assert placed(files, "scatter", {"points": [point("a", None, 50)]}, place="b") is None
    assert files == {}
    shown = placed(files, "scatter", {"points": [point("a", 90, 50)]}, place="b", up="../")
    assert shown is not None
    assert shown["src"] == "../charts/b-scatter.svg"
    assert list(files) == ["charts/b-scatter.svg"]
