import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from eval.errors import WeightsUnavailable
from tests.tfcheckpoint import small_card
from zoo.cards import ForeignCard, InputSpec, ModelCard
from zoo.cli import pull_official
from zoo.cli.shared import offer
from zoo.cli.shared.offer import offer_weights
from zoo.hub.pins import Pin, write_pin

CARD = small_card("small-resnet", parameters=25_000_000)


class Terminal:
    """Where somebody sits who gives one answer; counts the questions and what was fetched."""

    def __init__(self) -> None:
        self.answer = True
        self.is_there = True
        self.questions: list[str] = []
        self.fetched: list[str] = []


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    found = Terminal()

    def confirm(text: str, **options: Any) -> bool:
        assert options == {"default": True, "err": True}
        found.questions.append(text)
        return found.answer

    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    monkeypatch.setattr(click, "confirm", confirm)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: found.is_there, raising=False)
    monkeypatch.setattr(
        pull_official, "pull_official", lambda info: found.fetched.append(info.name)
    )
    return found


def test_who_says_yes_gets_the_weights(terminal: Terminal) -> None:
    offer_weights(CARD)
    (question,) = terminal.questions
    assert question == (
        "small-resnet has no weights on this machine: fetch about 100.0 MB from the official"
        " release, small and convert?"
    )
    assert terminal.fetched == ["small-resnet"]


def test_who_says_no_is_told_the_ways(terminal: Terminal) -> None:
    terminal.answer = False
    with pytest.raises(WeightsUnavailable, match="with: sat-zoo pull small-resnet; take") as caught:
        offer_weights(CARD)
    assert caught.value.exit_code == 3
    assert terminal.fetched == []


def test_yes_asks_nobody(terminal: Terminal) -> None:
    terminal.is_there = False
    offer_weights(CARD, yes=True)
    assert terminal.questions == []
    assert terminal.fetched == ["small-resnet"]


def test_without_a_terminal_the_command_is_named(terminal: Terminal) -> None:
    terminal.is_there = False
    with pytest.raises(
        WeightsUnavailable,
        match=r"\(about 100\.0 MB, official release, small\) with: sat-zoo pull small-resnet; .*"
        r"\(--yes fetches them without a question\)",
    ) as caught:
        offer_weights(CARD)
    assert caught.value.exit_code == 3
    assert terminal.questions == []


def foreign() -> ModelCard:
    return ForeignCard(name="x", arch="resnet18", classes=2, input=InputSpec(size=8))


@pytest.mark.parametrize(
    ("info", "weights"),
    [
        (lambda: CARD, Path("own.safetensors")),
        (foreign, None),
        (lambda: small_card("small-bare", official=None), None),
        (lambda: pytest.importorskip("zoo").card("resnet8-silu-sat-digits"), None),
    ],
)
def test_nothing_is_offered_where_it_would_not_help(
    terminal: Terminal, info: Callable[[], ModelCard], weights: Path | None
) -> None:
    offer_weights(info(), weights)
    assert terminal.questions == terminal.fetched == []


def test_pinned_weights_are_left_to_the_loading(terminal: Terminal) -> None:
    write_pin("small-resnet", Pin(repo="a/b", revision="0" * 40, sha256="0" * 64, size=9))
    offer_weights(CARD)
    assert terminal.questions == terminal.fetched == []


def test_the_option_is_called_yes() -> None:
    command = click.command()(offer.yes_option(lambda yes: None))
    assert [parameter.opts for parameter in command.params] == [["--yes"]]
