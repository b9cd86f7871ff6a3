"""Every public function takes paths and numbers as people write them."""

import inspect
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

import zoo
from eval import Curve, Report, curve, evaluate, open_data
from eval.adversarial import AdversarialImages
from eval.curves.draw import draw
from eval.data import ImageSet, open_folder, read_ids
from eval.errors import UsageError
from eval.files.paths import path_of
from leaderboard.boards import Leaderboard, boards, leaderboard
from leaderboard.compare import find_report
from leaderboard.export import write_all
from leaderboard.published import read_baselines
from leaderboard.results import read_report, read_results
from leaderboard.site.builder import build
from leaderboard.space import push, site_files
from leaderboard.submit import add

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("eval", "zoo", "eval.data")
OTHERS = (  # what documents name beside these
    "eval.adversarial:AdversarialImages",
    "eval.curves.draw:draw",
    "leaderboard.boards:boards",
    "leaderboard.boards:leaderboard",
    "leaderboard.compare:find_report",
    "leaderboard.export:write_all",
    "leaderboard.published:read_baselines",
    "leaderboard.results:read_report",
    "leaderboard.results:read_results",
    "leaderboard.site.builder:build",
    "leaderboard.space:push",
    "leaderboard.space:site_files",
    "leaderboard.submit:add",
    "zoo.choice:choose",
    "zoo.choice:choose_factory",
    "zoo.pictures:Selection",
)


def functions(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    """Itself, or of a class its constructor and the methods that it defines."""
    if not inspect.isclass(found):
        yield name, found
        return
    for owner in (one for one in found.__mro__ if one.__module__.split(".")[0] in ALL):
        for key, value in vars(owner).items():
            inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if inspect.isfunction(inner) and (key == "__init__" or not key.startswith("_")):
                yield f"{name}.{key}", inner


ALL = ("eval", "zoo", "leaderboard")


def public() -> Iterator[tuple[str, Any]]:
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)
    for place in OTHERS:
        module_name, _, name = place.partition(":")
        yield place, getattr(import_module(module_name), name)


PUBLIC = {
    name: function
    for given, found in public()
    if inspect.isfunction(found) or inspect.isclass(found)
    for name, function in functions(given, found)
}


def annotations(function: Any) -> dict[str, str]:
    return {
        parameter.name: annotation if isinstance(annotation, str) else repr(annotation)
        for parameter in inspect.signature(function).parameters.values()
        if (annotation := parameter.annotation) is not inspect.Parameter.empty
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_no_public_parameter_takes_nothing_but_a_path(name: str) -> None:
    for parameter, annotation in annotations(PUBLIC[name]).items():
        assert not re.search(r"\bPath\b", annotation), (
            f"{name}: {parameter} is annotated {annotation}: take eval.files.paths.AnyPath, and"
            " pass it through path_of"
        )


def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()


def images() -> ImageSet:
    return open_data("digits").take(2)


def fetching(kind: dict[str, Any]) -> dict[str, Any]:
    """What goes with `download_to`."""
    return kind | ({"data": "cifar10", "download": True} if "download_to" in kind else {})


def listed(kind: dict[str, Any]) -> dict[str, Any]:
    """Of `adversarial` a list."""
    return {key: [value] if key == "adversarial" else value for key, value in kind.items()}


ENDS = {"norm": "Linf", "eps": "8/255", "attack": "fgsm"}
REPORT = ROOT / "leaderboard/results/resnet8-silu-sat-digits.clean.json"
CURVE = ROOT / "eval/curve_results/digits-eps.json"
NAME = "resnet8-silu-sat-digits"

CALLS: dict[str, Callable[..., Any]] = {
    "eval.Curve.read": Curve.read,
    "eval.Curve.write": lambda **kind: Curve.read(CURVE).write(**kind),
    "eval.Report.read": Report.read,
    "eval.Report.write": lambda **kind: Report.read(REPORT).write(**kind),
    "eval.curve": lambda **kind: curve(model(), images(), eps="1/255", **kind),
    "eval.curves.draw:draw": lambda **kind: draw(Curve.read(CURVE), **kind),
    "eval.evaluate": lambda **kind: evaluate(model(), images(), **ENDS, **kind),
    "eval.open_data": lambda **kind: open_data("folder", **kind),
    "eval.data.open_data": lambda **kind: open_data("folder", **kind),
    "eval.data.open_folder": lambda **kind: open_folder(**{"folder": None, **kind}),
    "eval.data.read_ids": read_ids,
    "eval.adversarial:AdversarialImages.read": AdversarialImages.read,
    "eval.adversarial:AdversarialImages.write": lambda **kind: AdversarialImages.write(
        SimpleNamespace(origin=Report.read(REPORT).model, report=Report.read(REPORT)), **kind
    ),
    "leaderboard.boards:boards": boards,
    "leaderboard.boards:leaderboard": leaderboard,
    "leaderboard.compare:find_report": find_report,
    "leaderboard.export:write_all": lambda **kind: write_all(Leaderboard((), ()), **kind),
    "leaderboard.published:read_baselines": read_baselines,
    "leaderboard.results:read_report": read_report,
    "leaderboard.results:read_results": read_results,
    "leaderboard.site.builder:build": lambda **kind: build(**{"out": "new", **listed(kind)}),
    "leaderboard.space:push": lambda **kind: push(space="me/board", **kind),
    "leaderboard.space:site_files": site_files,
    "leaderboard.submit:add": lambda **kind: add(**{"path": REPORT, **kind}),
    "zoo.evaluate": lambda **kind: zoo.evaluate(**{"model": NAME, **fetching(kind)}),
    "zoo.diagnose": lambda **kind: zoo.diagnose(**{"model": NAME, **kind}),
    "zoo.curve": lambda **kind: zoo.curve(**{"model": NAME, "eps": "1/255", **kind}),
    "zoo.images": lambda **kind: zoo.images(NAME, **fetching(kind)),
    "zoo.load": lambda **kind: zoo.load(**{"name": NAME, **kind}),
}
"""How each is called with one path and nothing else that could be wrong."""

PATHS = [
    (name, parameter)
    for name, function in PUBLIC.items()
    for parameter, annotation in annotations(function).items()
    if "AnyPath" in annotation and not name.startswith(("zoo.choice:", "zoo.pictures:"))
]


@pytest.mark.parametrize(("name", "parameter"), PATHS)
def test_every_path_goes_through_the_one_helper(
    name: str, parameter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    monkeypatch.setenv("SAT_ZOO_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="holds a null character: give the path"):
        CALLS[name](**{parameter: "a\0/b.safetensors"})


def test_the_walk_sees_the_doors() -> None:
    for name in ("eval.evaluate", "eval.Report.read", "zoo.load", "eval.data.open_folder"):
        assert name in PUBLIC
    assert annotations(PUBLIC["eval.Report.read"]) == {"path": "AnyPath"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a.json", "a.json"),
        (Path("a.json"), "a.json"),
        ("~/a.json", "HOME/a.json"),
        ("~", "HOME"),
        (Path("~/a"), "HOME/a"),
        ("~other/a", "~other/a"),
        ("a/~", "a/~"),
        ("$HOME/a", "$HOME/a"),
    ],
)
def test_a_path_is_what_a_shell_would_make_of_it(given, wanted: str, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert path_of(given, "out") == Path(re.sub("^HOME", "/home/me", wanted))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (True, "`out` is True, which is no path: give a text"),
        (3, "`out` is 3, which is no path"),
        (b"a", "in bytes"),
        ("", "`out` is empty: give the path"),
        ("a\0b", "null character"),
        (["a"], "which is no path"),
        (Fraction(1, 2), "which is no path"),
    ],
)
def test_what_is_no_path_is_refused_by_the_arguments_name(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        path_of(given, "out")


def test_none_stays_none() -> None:
    assert path_of(None, "out") is None
