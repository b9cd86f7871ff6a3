"""Who is shown that something happens: a notebook by itself, others if they ask."""

import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

import zoo
from eval import attack, bars, curve, evaluate
from eval.bars import in_notebook, shown
from eval.data import ImageSet
from eval.errors import UsageError
from eval.wave import Progress

OPTIONS = {"eps": "1/255", "norm": "Linf"}
DOORS: dict[str, Callable[..., Any]] = {
    "evaluate": lambda net, data, **kind: evaluate(net, data, attack="fgsm", **OPTIONS, **kind),
    "attack": lambda net, data, **kind: attack(net, data, name="fgsm", **OPTIONS, **kind),
    "curve": lambda net, data, **kind: curve(
        net, data, attack="fgsm", check=False, **OPTIONS, **kind
    ),
    "zoo.evaluate": lambda net, data, **kind: zoo.evaluate(
        net, images=data, attack="fgsm", journal=None, **OPTIONS, **kind
    ),
    "zoo.curve": lambda net, data, **kind: zoo.curve(
        net, net, images=data, attack="fgsm", check=False, journal=None, **OPTIONS, **kind
    ),
}


class Page:
    """A notebook's page: what is displayed, each time that it is drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def display(self, text: str, display_id: bool) -> "Page":
        assert display_id
        self.drawn.append(text)
        return self

    def update(self, text: str) -> None:
        self.drawn.append(text)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """As if a kernel of Jupyter ran the test."""
    page, shell = Page(), SimpleNamespace(kernel=object())
    display = SimpleNamespace(HTML=str, display=page.display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return page


@pytest.mark.parametrize("door", DOORS)
def test_a_notebook_gets_a_bar_that_is_gone_at_the_end(
    door: str, page: Page, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    DOORS[door](tiny_net, tiny_data.take(4))
    first, *between, last = page.drawn
    assert first == last == ""
    assert any("<progress" in one and "4 of 4 images done" in one for one in between)
    assert any("right so far " in one for one in between)
    assert not any("robust" in one for one in between)  # nothing says yet what is


@pytest.mark.parametrize("door", DOORS)
def test_a_script_gets_no_bar_unless_it_asks(
    door: str, tiny_net: nn.Module, tiny_data: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    DOORS[door](tiny_net, tiny_data.take(4))
    DOORS[door](tiny_net, tiny_data.take(4), progress=False)
    assert capsys.readouterr() == ("", "")


def test_who_is_told_sees_no_bar_beside_unless_he_asks(
    page: Page, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    told: list[Progress] = []
    evaluate(tiny_net, tiny_data.take(4), attack="fgsm", **OPTIONS, on_progress=told.append)
    assert told
    assert page.drawn == []
    before = len(told)
    evaluate(
        tiny_net,
        tiny_data.take(4),
        attack="fgsm",
        **OPTIONS,
        on_progress=told.append,
        progress=True,
    )
    assert len(told) == 2 * before
    assert page.drawn


def test_an_error_takes_the_bar_away(page: Page) -> None:
    def fail(now: Progress) -> None:
        raise ZeroDivisionError(now)

    with pytest.raises(ZeroDivisionError), shown(True, fail) as tell:
        tell(Progress("clean", 1, 4, 1, 4))
    assert page.drawn[-1] == ""


def test_a_stage_of_anybodys_name_is_only_text(page: Page) -> None:
    with shown(None, None) as tell:
        tell(Progress("<script>", 1, 4, 1, 4))
    assert "<script>" not in "".join(page.drawn)
    assert "&lt;script&gt;: 1 of 4 images done, not broken so far 25.0 %" in page.drawn[1]


def test_a_bar_is_not_drawn_more_often_than_eyes_see(page: Page) -> None:
    with shown(True, None) as tell:
        for done in range(1000):
            tell(Progress("fgsm", done, 1000, 10, 1000))
        tell(Progress("fgsm", 1000, 1000, 10, 1000))
    assert len(page.drawn) < 20
    assert "1000 of 1000" in page.drawn[-2]


def test_without_a_terminal_a_line_is_written_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown(True, None) as tell:
        tell(Progress("clean", 1, 4, 1, 4))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(bars, "PLAIN_S", 0.01)
    heard = ""
    with shown(True, None) as tell:
        tell(Progress("clean", 1, 4, 1, 4))
        for _ in range(6000):
            heard += capsys.readouterr().err
            if heard:
                break
            time.sleep(0.01)
    assert heard.startswith("clean: 1 of 4 images done, right so far 25.0 %, 0 s so far")


def test_in_a_terminal_a_bar_is_drawn_if_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # which rich takes for a terminal
    monkeypatch.setattr(bars, "_moves", lambda _: True)
    with shown(True, None) as tell:
        tell(Progress("clean", 3, 4, 1, 4))
    said = capsys.readouterr()
    assert "3/4" in said.err
    assert said.out == ""


@pytest.mark.parametrize("progress", ["yes", 1, 0])
def test_other_answers_than_yes_and_no_are_refused(progress: Any) -> None:
    with (
        pytest.raises(UsageError, match="give True, False"),
        shown(progress, None),
    ):
        pass


def test_a_plain_interpreter_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    shell = SimpleNamespace(get_ipython=SimpleNamespace)  # ipython in a terminal
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert not in_notebook()
