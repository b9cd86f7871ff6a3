"""Cards that other packages bring: one that is installed, and many that are wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zoo
from eval.errors import UsageError
from tests.commandline import Done
from zoo import plugged, registry
from zoo.cards import ModelCard
from zoo.catalogue import catalogue
from zoo.registry import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
OURS = "resnet8-silu-sat-digits"
FILED, MADE = "resnet8-silu-example-digits", "resnet8-gelu-example-digits"

SCRIPT = f"""
import json, sys
import zoo
from zoo.catalogue import catalogue
from zoo.cli import cli
for words in (["list", "*-example-*"], ["show", {FILED!r}]):
    cli.main(words, standalone_mode=False)
assert "torch" not in sys.modules
listed = [(one.card.name, one.where, one.package) for one in catalogue("*-example-*")]
report = zoo.evaluate({FILED!r}, attack="clean", n=40, engine="reference", journal=False)
same = zoo.evaluate({OURS!r}, attack="clean", n=40, engine="reference", journal=False)
said = report.model.model_dump(mode="json")
print(json.dumps({{"listed": listed, "model": said, "accuracy": report.clean.accuracy,
    "ours": same.clean.accuracy, "own": zoo.registry.own_models()}}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package with weights beside its cards, installed by pip into a folder."""
    source = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(ROOT / "tests" / "plugins" / "sat_zoo_example", source)
    weights = FAMILIES / "digits" / f"{OURS}.safetensors"
    shutil.copy(weights, source / "sat_zoo_example" / "resnet8.safetensors")
    target = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(source)], check=True, cwd=source
    )
    return target


def test_an_installed_package_brings_models_that_are_listed_shown_and_measured(
    installed: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": path, "SAT_ZOO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    package = "sat-zoo-example"
    assert found["listed"] == [[FILED, "package", package], [MADE, "none", package]]
    assert found["model"]["name"] == FILED
    assert found["model"]["source"] == "library"
    assert found["accuracy"] == found["ours"]
    assert FILED not in found["own"]
    assert f"brought by {package}, not by the zoo" in done.stdout
    assert done.stdout.splitlines()[0].split()[-1] == "package"


class Installed:
    """Packages that are installed for one test: entry points to modules in memory."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self._entries = patch, list[EntryPoint]()
        patch.setattr(plugged, "entry_points", lambda group: self._entries)

    def bring(self, module: str, said: Any, attribute: str = "cards") -> None:
        home = ModuleType(module)
        setattr(home, attribute, said)
        self._patch.setitem(sys.modules, module, home)
        self.point(f"{module}:{attribute}")

    def point(self, value: str) -> None:
        name = f"n{len(self._entries)}"
        self._entries.append(EntryPoint(name=name, value=value, group=plugged.GROUP))


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    plugged.plugins.cache_clear()
    yield Installed(monkeypatch)
    plugged.plugins.cache_clear()


def a_card(name: str = "other-sat-digits", **other: Any) -> ModelCard:
    return zoo.card(OURS).model_copy(
        update={"name": name, "recipe": None, "bundled": None, "claims": (), **other}
    )


def test_a_card_several_a_function_and_a_file_are_all_taken(
    packages: Installed, tmp_path: Path
) -> None:
    file = tmp_path / "cards.yaml"
    fields = a_card("four-sat-digits").model_dump(mode="json", exclude={"family"})
    file.write_text(json.dumps({"cards": [fields]}))  # JSON is YAML
    packages.bring("one_card", a_card("one-sat-digits"))
    packages.bring("two_cards", (a_card("two-sat-digits"),))
    packages.bring("three_cards", lambda: [a_card("three-sat-digits")])
    packages.bring("four_cards", str(file))
    names = {f"{n}-sat-digits" for n in ("one", "two", "three", "four")}
    assert names <= set(zoo.list_models())
    assert not registry.brought().faults
    assert registry.package_of("one-sat-digits") == zoo.card("one-sat-digits").family == "one_card"
    assert registry.folder_of(zoo.card("four-sat-digits")) == tmp_path
    assert not names & set(registry.own_models())


def test_a_package_that_raises_on_import_is_named_and_the_others_work(
    packages: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_on_import.py").write_text("raise RuntimeError('no good\\nat all')")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages.point("bad_on_import:cards")
    packages.point("not_there_at_all:cards")
    packages.bring("has_no_cards", 7)
    packages.bring("raises", lambda: 1 / 0)
    packages.bring("exits", lambda: sys.exit(3))
    packages.bring("ok_package", a_card())
    assert "other-sat-digits" in zoo.list_models()
    faults = registry.brought().faults
    assert len(faults) == 5
    for said in ("bad_on_import", "RuntimeError: no good", "not_there_at_all", "has_no_cards"):
        assert any(said in fault for fault in faults)
    assert any("ZeroDivisionError" in fault for fault in faults)
    with pytest.raises(UsageError, match=r"unknown model 'lost'.*package bad_on_import .*no cards"):
        zoo.card("lost")


def test_a_name_of_ours_stays_ours_and_it_is_said(
    packages: Installed, sat_zoo: Callable[..., Done]
) -> None:
    packages.bring("claims_ours", a_card(OURS, parameters=1))
    packages.bring("first_one", a_card())
    packages.bring("second_one", a_card(parameters=2))
    assert zoo.card(OURS).parameters == 77754
    assert registry.package_of(OURS) is None
    assert registry.package_of("other-sat-digits") == "first_one"
    shown = sat_zoo("show", OURS)
    assert "claims_ours" in shown.err
    assert "which the zoo has already" in shown.err
    assert "77,754" in shown.out
    listed = sat_zoo("list")
    assert "which first_one has already" in listed.err


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"name": "Upper-Case"}, "the card 'Upper-Case' is invalid: name"),
        ({"name": "x", "arch": 3}, "the card 'x' is invalid"),
        ({**a_card().model_dump(), "wings": 2}, "wings: Extra inputs are not permitted"),
        ({**a_card().model_dump(), "threat": {"norm": "L7", "eps": "1"}}, "threat.norm"),
        ({**a_card().model_dump(), "recipe": "recipe.yaml"}, "recipe are of the zoo's own"),
        ("a text", "it is a str, no ModelCard"),
        (None, "it is a NoneType, no ModelCard"),
    ],
)
def test_a_card_that_does_not_hold_is_named_and_the_next_one_taken(
    packages: Installed, card: Any, message: str
) -> None:
    packages.bring("some_package", [card, a_card()])
    assert "other-sat-digits" in zoo.list_models()
    (fault,) = registry.brought().faults
    assert message in fault
    assert "some_package" in fault


@pytest.mark.parametrize("content", ["", "cards: 3", "- 1", "cards: [1, 2]", "a: [", "\xff\xfe"])
def test_a_file_that_holds_no_cards_is_named(
    packages: Installed, tmp_path: Path, content: str
) -> None:
    (tmp_path / "cards.yaml").write_bytes(content.encode("latin-1"))
    packages.bring("some_package", tmp_path / "cards.yaml")
    packages.bring("other_package", tmp_path / "absent.yaml")
    assert OURS in zoo.list_models()
    assert len(registry.brought().faults) == 2


def test_what_a_package_brings_is_no_claim_of_the_leaderboard(packages: Installed) -> None:
    from leaderboard.bundled import known_card

    packages.bring("some_package", a_card())
    assert known_card("other-sat-digits") is None
    assert known_card(OURS) is not None
    (one,) = catalogue("other-sat-digits")
    assert (one.package, one.where) == ("some_package", "none")
    assert one.to_dict()["package"] == "some_package"
