"""`sat-zoo list`: what can be used now first, whose number it is, filters, empty answers."""

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import zoo
from eval import Report
from eval.errors import UsageError
from leaderboard.folders import RESULTS, own_results
from leaderboard.measured import measured
from zoo import accuracies as known
from zoo.catalogue import HERE, PLACES, catalogue, where
from zoo.hub.pins import Pin, write_pin

SILU = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The leaderboard's function, as pyproject.toml registers it, in a home of one's own."""
    entry = EntryPoint("leaderboard", "leaderboard.measured:measured", known.GROUP)
    monkeypatch.setattr(known, "entry_points", lambda group: [entry])
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))


def test_the_project_registers_the_function() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    section = text.partition(f'[project.entry-points."{known.GROUP}"]\n')[2]
    assert section.startswith('leaderboard = "leaderboard.measured:measured"\n')


def test_our_numbers_are_those_of_the_strongest_report() -> None:
    listed = {one.card.name: one.accuracies for one in catalogue()}
    report = Report.read(RESULTS / f"{SILU}.autoattack.json")
    clean, robust = listed[SILU].clean, listed[SILU].robust
    assert clean is not None
    assert robust is not None
    assert (clean.accuracy, robust.accuracy) == (report.clean.accuracy, report.robust.accuracy)
    assert (robust.attack, robust.is_claimed, robust.source) == (
        "AutoAttack",
        False,
        f"{SILU}.autoattack.json",
    )
    assert robust.flags == ("square-breaks",)
    cifar = listed["resnet18-w16-silu-sat-cifar10"].robust
    assert cifar is not None
    assert Report.read(RESULTS / cifar.source).protocol.name == "autoattack-standard@1"


def test_what_is_claimed_is_marked_so_and_comes_from_the_card() -> None:
    (one,) = catalogue("resnet50-silu-sat")
    robust = one.accuracies.robust
    assert robust is not None
    assert (robust.accuracy, robust.attack, robust.is_claimed) == (0.423, "PGD-200", True)
    assert "arXiv 2006.14536" in robust.source
    (nothing,) = catalogue("resnet50-mish-sat")
    assert nothing.accuracies == known.Accuracies()


def test_reports_of_other_weights_pictures_threats_or_steps_are_not_the_models_number() -> None:
    info = zoo.card(SILU)
    whole = json.loads((RESULTS / f"{SILU}.autoattack.json").read_text())
    from leaderboard import measured as module

    assert module._is_of(whole, info)
    for path, value in (
        (("model", "source"), "file"),
        (("data", "name"), "folder"),
        (("data", "official_subset"), False),
        (("threat", "norm"), "L2"),
        (("threat", "eps_text"), "1/16"),
        (("protocol", "name"), "quick@1"),
        (("protocol", "name"), "custom-apgd-ce,square@1"),
        (("protocol", "stages"), [{"step_size": "1/255"}]),
        (("estimate",), {}),
        (("robust",), None),
    ):
        changed = json.loads(json.dumps(whole))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert not module._is_of(changed, info), path


def test_your_own_reports_count_once_they_are_checked() -> None:
    info = zoo.card("resnet50-silu-sat")
    assert measured([info]) == {}
    own_results().mkdir(parents=True)
    content = json.loads((RESULTS / f"{SILU}.autoattack.json").read_text())
    content["clean"]["correct"] += 1
    (own_results() / "wrong.json").write_text(json.dumps(content))
    (own_results() / "broken.json").write_text("{")
    found = measured([zoo.card(SILU)])[SILU]
    assert found.robust is not None
    assert found.robust.source == f"{SILU}.autoattack.json"
    assert found.robust.measured_by == "project"


def test_what_you_measured_yourself_is_not_called_ours(sat_zoo: Run) -> None:
    content = json.loads((RESULTS / f"{SILU}.autoattack.json").read_text()) | {"seed": -1}
    own_results().mkdir(parents=True)
    (own_results() / "mine.json").write_text(json.dumps(content))
    said = " ".join(sat_zoo("show", SILU).out.split())
    assert "(by whom is not known, mine.json" in said


def test_what_can_be_used_now_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pin = Pin(repo="a/b", revision="0" * 40, sha256="0" * 64, size=1)
    write_pin("resnet50-mish-sat", pin)
    found = catalogue()
    assert sorted(one.card.name for one in found) == zoo.list_models()
    order = [PLACES.index(one.where) for one in found]
    assert order == sorted(order)
    assert {one.where for one in found} == {"bundled", "hub", "official", "none"}
    assert [one.is_here for one in found] == [one.where in HERE for one in found]
    assert where(zoo.card("resnet50-mish-sat")) == "hub"


def test_the_table_marks_what_is_claimed_and_what_is_flagged(sat_zoo: Run) -> None:
    lines = sat_zoo("list").out.splitlines()
    rows = {line.split()[0]: line.split()[1:5] for line in lines[1:]}
    assert rows[SILU] == ["99.2!", "76.7!", "AutoAttack", "bundled"]
    assert rows["resnet50-silu-sat"] == ["69.7*", "42.3*", "PGD-200", "official"]
    assert rows["resnet18-elu-sat-cifar10"][0] == "none"
    (legend,) = [line for line in lines if line.startswith("* ")]
    assert "not measured by us" in legend


def test_json_says_where_and_how_accurate_in_the_order_of_names(sat_zoo: Run) -> None:
    told = json.loads(sat_zoo("list", "--json").out)
    assert [one["name"] for one in told] == zoo.list_models()
    (silu,) = [one for one in told if one["name"] == SILU]
    assert (silu["weights"], silu["available"]) == ("bundled", True)
    assert silu["accuracies"]["robust"]["attack"] == "AutoAttack"
    assert silu["parameters"] == zoo.card(SILU).parameters


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        (("--data", "digits"), lambda info: info.dataset == "digits"),
        (("--data", "CIFAR10", "--norm", "inf"), lambda info: info.dataset == "cifar10"),
        (("--available",), lambda info: info.bundled is not None),
        (
            ("resnet8-*", "--available", "--norm", "linf"),
            lambda info: info.bundled is not None and info.name.startswith("resnet8-"),
        ),
    ],
)
def test_filters_leave_those_that_fit_all(
    sat_zoo: Run, options: tuple[str, ...], fits: Callable[..., bool]
) -> None:
    told = json.loads(sat_zoo("list", *options, "--json").out)
    wanted = [name for name in zoo.list_models() if fits(zoo.card(name))]
    assert [one["name"] for one in told] == wanted != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("zzz*",), "pattern 'zzz*' matches no model: see all with sat-zoo list"),
        (("--norm", "L2"), "no model fits --norm L2: see all with sat-zoo list"),
        (("resnet50-*", "--data", "digits"), "pattern 'resnet50-*' and --data digits: leave one"),
        (("--available", "--data", "imagenet"), "leave out --available to see them, then fetch"),
        (("--data", "imagenett"), "unknown data set 'imagenett': did you mean imagenet?"),
        (("--norm", "L7"), "unknown norm 'L7': did you mean L2?"),
    ],
)
def test_an_empty_answer_says_what_to_do(
    sat_zoo: Run, options: tuple[str, ...], message: str
) -> None:
    done = sat_zoo("list", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err


def test_the_card_shows_what_we_measured_beside_what_is_claimed(sat_zoo: Run) -> None:
    out = sat_zoo("show", SILU).out
    told = f"measured       99.2 % clean on 360 images (by us, {SILU}.autoattack.json; flagged: sq"
    assert told in out
    assert "measured       76.7 % AutoAttack #1ef1c1c1d445 on 360 images (by us" in out
    assert "measured" not in sat_zoo("show", "resnet50-silu-sat").out


def test_python_gets_the_same(sat_zoo: Run) -> None:
    names = [one.card.name for one in catalogue(data="digits", available=True)]
    more = [f"-seed-{seed}" for seed in (1, 2)]
    pair = ("resnet8-relu-at-digits", SILU)
    assert names == [name + end for name in pair for end in ("", *more)]
    with pytest.raises(UsageError, match="leave out `available=True` to see them"):
        catalogue(data="imagenet", available=True)


@pytest.mark.parametrize(
    ("name", "mark", "images"),
    [
        ("resnet18-w16-silu-sat-cifar10", "~", "on 1,000 of 10,000 images"),
        ("resnet18-w16-relu-at-cifar10", "~", "on 1,000 of 10,000 images"),
        (SILU, "!", "on 360 images"),
        ("resnet8-relu-at-digits", " ", "on 360 images"),
    ],
)
def test_a_number_of_a_part_of_the_test_images_is_told_from_one_of_all(
    sat_zoo: Run, name: str, mark: str, images: str
) -> None:
    (one,) = catalogue(name)
    assert one.accuracies.robust is not None
    assert one.accuracies.robust.is_of_part == (mark == "~")
    listed, shown = sat_zoo("list", name).out, sat_zoo("show", name).out
    number = f"{100 * one.accuracies.robust.accuracy:.1f}"
    assert f"{number}{mark} AutoAttack" in listed
    assert ("~ of a part of the test images" in listed) == (mark == "~")
    assert " ".join(shown.split()).count(images) == 2


def test_a_number_of_few_images_of_a_user_s_own_is_marked() -> None:
    content = json.loads((RESULTS / f"{SILU}.autoattack.json").read_text())
    few = content | {"data": content["data"] | {"n": 16}}
    from leaderboard import measured as module

    found = module._accuracies("a.json", few)
    assert found.clean is not None
    assert (found.clean.n, found.clean.n_whole, found.clean.is_of_part) == (16, 360, True)
