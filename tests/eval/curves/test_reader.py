"""A curve's file is believed in nothing that can be computed again."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eval import curve
from eval.curves.curve import Curve
from eval.errors import ReportError
from tests.eval.curves.conftest import Known
from tests.fuzz.jsons import damage_json

Make = Callable[[int], Known]
Place = tuple[str | int, ...]

N_CASES, N_SEED = 100, 2

FREE = {
    "created", "command", "seed", "seconds", "forwards", "backwards", "source", "file_sha256",
    "weights_sha256", "pixels_sha256", "official_subset", "parameters", "classes", "device",
    "precision", "version", "torch", "detail", "rho", "eot", "restarts", "step_size", "targets",
    "p_init", "loss", "random_start", "fallback_loss",
}  # fmt: skip
"""Fields that follow from nothing else in the file: bounded, and no more."""


@pytest.fixture(scope="module")
def written(known: Make) -> dict[str, Any]:
    """Two models along eps, as JSON."""
    a, b = known(0), known(7)
    mine = curve(a.model, a.images, eps="1/50:4/50:1/50", attack="pgd-3", name="a", command="x")
    other = curve(b.model, a.images, eps="1/50:4/50:1/50", attack="pgd-3", name="b")
    found: dict[str, Any] = json.loads(mine.beside(other).to_json())
    return found


def read(content: object, folder: Path) -> Curve:
    path = folder / "curve.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Curve.read(path)


def refusal(content: object, folder: Path) -> str:
    """What is said of a file that is refused, "" of one that is believed."""
    try:
        read(content, folder)
    except ReportError as error:
        return str(error)
    return ""


def leaves(content: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from leaves(value, (*place, key))
    else:
        yield place


def changed(content: Any, place: Place, change: Callable[[Any], Any]) -> Any:
    found = copy.deepcopy(content)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = change(inner[place[-1]])
    return found


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.01
        case None:
            return 0
        case _:
            return f"{value}x"


def test_what_was_written_is_read(written: dict[str, Any], tmp_path: Path) -> None:
    found = read(written, tmp_path)
    assert json.loads(found.to_json()) == written
    assert repr(found) == "Curve(a and b on 40 of custom (all), along eps, 5 points)"
    found.write(tmp_path / "again.json")
    assert Curve.read(tmp_path / "again.json") == found


def test_no_number_that_follows_from_the_images_can_be_changed(
    written: dict[str, Any], tmp_path: Path
) -> None:
    places = list(leaves(written))
    bound = [place for place in places if not FREE & {str(key) for key in place}]
    chosen = [p for p in bound if p[0] not in {"ids", "labels"} and "fell" not in p]
    chosen += random.Random(0).sample([p for p in bound if p not in chosen], 40)
    assert len(chosen) > 150
    believed = []
    for place in chosen:
        if "name" in place and "model" in place:
            continue  # what a model is called follows from nothing
        if not (said := refusal(changed(written, place, another), tmp_path)):
            believed.append(place)
        assert "\n" not in said
    # One label more is a class that there is, unless the other model's part says otherwise.
    assert [place for place in believed if place[0] != "labels"] == []


def _drop(content: Any) -> None:
    content["series"][0]["points"].pop()


def _rise(content: Any) -> None:
    points = content["series"][0]["points"]
    points[2], points[3] = points[3], points[2]


def _stand_again(content: Any) -> None:
    fell = content["series"][0]["fell"]
    fell[next(i for i, at in enumerate(fell) if at)] = None


def _no_check(content: Any) -> None:
    content["series"][0]["check"] = None


def _three(content: Any) -> None:
    content["series"] *= 2


def _no_differences(content: Any) -> None:
    content["differences"] = []


def _alone(content: Any) -> None:
    content["series"].pop()


def _flag(content: Any) -> None:
    content["series"][0]["flags"].append({"code": "curve-stays-up", "detail": "x"})


def _nothing(content: Any) -> None:
    content["ids"], content["labels"] = [], []


def _twice(content: Any) -> None:
    content["ids"][1] = content["ids"][0]


def _nan(content: Any) -> None:
    content["series"][0]["points"][1]["at"] = float("nan")


def _more(content: Any) -> None:
    content["trust"] = "me"


@pytest.mark.parametrize(
    "damage",
    [
        _drop, _rise, _stand_again, _no_check, _three, _no_differences, _alone, _flag, _nothing,
        _twice, _nan, _more,
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused_in_one_sentence(
    written: dict[str, Any], tmp_path: Path, damage: Callable[[Any], None]
) -> None:
    content = copy.deepcopy(written)
    damage(content)
    with pytest.raises(
        ReportError, match=r"curve\.json is not a valid sat-zoo/curve@1: "
    ) as caught:
        read(content, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": "sat-zoo/report@1"}', "[" * 9999]
)
def test_what_is_no_curve_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ReportError, match="curve") as caught:
        read(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="give a curve that sat-zoo wrote"):
        Curve.read(tmp_path / "none.json")


def test_an_image_that_stands_at_the_check_needs_its_flag(
    written: dict[str, Any], tmp_path: Path
) -> None:
    content = copy.deepcopy(written)
    series = content["series"][0]
    at_check = [i for i, fell in enumerate(series["fell"]) if fell == len(series["points"])]
    assert at_check
    series["fell"][at_check[0]] = None
    series["check"]["standing"] += 1
    with pytest.raises(ReportError, match="curve-stays-up is missing"):
        read(content, tmp_path)
    series["flags"].append({"code": "curve-stays-up", "detail": "x"})
    assert read(content, tmp_path).series[0].stays_up


def test_random_damage_to_the_text_is_a_sentence_or_a_curve(
    written: dict[str, Any], tmp_path: Path
) -> None:
    text, draw = json.dumps(written), random.Random(1)
    for _ in range(100):
        at = draw.randrange(len(text))
        damaged = text[:at] + draw.choice(["", "9", "-", '"', "}", "\x00", "e9"]) + text[at + 1 :]
        assert "\n" not in refusal(damaged, tmp_path)


def test_falsified_json_is_a_sentence_or_follows_from_its_images(
    written: dict[str, Any], tmp_path: Path
) -> None:
    draw = random.Random(N_SEED)
    for _ in range(N_CASES):
        text, what = damage_json(copy.deepcopy(written), draw)
        said = refusal(text, tmp_path)
        assert len(said) < 1500
        assert said.isprintable()
        if not said:
            found = Curve.read(tmp_path / "curve.json")
            for series in found.series:
                n_right = [point.accuracy.correct for point in series.points]
                assert n_right == [sum(series.holds(i)) for i in range(len(n_right))], what
                assert n_right == sorted(n_right, reverse=True), what
