"""What stands in the documentation as code is code: Python runs, commands have these options."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from torch import nn

from docs.extensions.generated import MODULES, public
from eval import evaluate
from eval.attacks import registry
from eval.attacks.attack import Attack
from eval.data import DATA_SETS, ImageSet
from eval.errors import SatZooError
from tests.docs.pages import DOCS, PAGES, TOLD, blocks, relative, text
from zoo.cards import ModelCard
from zoo.cli import cli
from zoo.registry import card

PYTHON = [path for path in PAGES if blocks(path.read_text("utf-8"), "python")]
_OUTPUT = re.compile(
    r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_the_python_of_a_page_runs_from_top_to_bottom_and_prints_what_it_says(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "a_page"}
    for code, said in _OUTPUT.findall(path.read_text("utf-8")):
        exec(compile(code, path.name, "exec"), names)
        shown = capsys.readouterr().out
        assert not said or shown == said


def commands(path: Path) -> Iterator[list[str]]:
    """The commands in the shell blocks of a page, word by word."""
    for block in blocks(path.read_text("utf-8"), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["sat-zoo"]:
                    yield words[1:]


@pytest.mark.parametrize("path", TOLD, ids=relative)
def test_every_command_that_a_page_shows_has_these_options(path: Path) -> None:
    for words in commands(path):
        group, rest, context = cli, words, click.Context(cli, info_name="sat-zoo")
        while True:
            found = group.get_command(context, rest[0])
            assert found is not None, words
            context = click.Context(found, info_name=rest[0], parent=context)
            rest = rest[1:]
            if not isinstance(found, click.Group):
                break
            group = found
        found.make_parser(context).parse_args(rest)  # raises for an unknown option


@pytest.mark.parametrize("name", ["first-evaluation.md", "own-model.md", "training.md"])
def test_the_commands_of_a_page_are_found(name: str) -> None:
    assert len(list(commands(DOCS / name))) >= 3


@pytest.mark.parametrize(
    "line",
    ["sat-zoo eval NAME --atack pgd-50", "sat-zoo evaluate NAME", "sat-zoo verify a --n 3 b"],
)
def test_a_command_that_does_not_exist_is_seen(line: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```sh\n{line}\n```\n")
    with pytest.raises((click.UsageError, SatZooError, AssertionError)):
        test_every_command_that_a_page_shows_has_these_options(page)


def test_the_attack_of_the_page_attacks(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"__name__": "a_page"}
    exec(blocks(text("extending.md"), "python")[0], names)
    brought: type[Attack] = names["Shrinking"]
    monkeypatch.setattr("eval.protocols.others", lambda: {"shrinking": None})
    own = registry.attack_class
    monkeypatch.setattr(
        registry, "attack_class", lambda name: brought if name == "shrinking" else own(name)
    )
    report = evaluate(tiny_net, tiny_data, attack="shrinking-12", eps="1/10")
    assert report.stages[0].name == "shrinking-12"
    assert report.stages[0].broken > 0
    assert report.stages[0].rejected == 0


def test_the_card_of_the_page_is_a_card() -> None:
    (block,) = blocks(text("extending.md"), "yaml")
    shown = ModelCard(family="digits", **yaml.safe_load(block))
    assert shown == card(shown.name).model_copy(update={"bundled": None})
    fields = re.findall(r"^\| (`[a-z_`, ]+`) \|", text("extending.md"), re.MULTILINE)
    named = {name for cell in fields for name in re.findall(r"`(\w+)`", cell)}
    assert ModelCard.model_fields.keys() - named <= {"family", "dataset", "classes", "notes"}


def test_every_module_of_the_api_pages_exists_and_has_names() -> None:
    names = public()
    for package, modules in MODULES.items():
        for module in (package, *modules):
            title = module.partition(":")[0]
            if package != "leaderboard" or title != package:
                assert any(name.startswith(f"{title}.") for name in names), module


def test_the_settings_of_the_page_are_toml() -> None:
    (block,) = blocks(text("data.md"), "toml")
    assert set(tomllib.loads(block)["data"]) <= set(DATA_SETS)
