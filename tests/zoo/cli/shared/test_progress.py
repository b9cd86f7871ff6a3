"""What is shown while an evaluation runs: a bar on a terminal, elsewhere lines."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import pytest
from rich.console import Console

from eval import bars
from eval.estimate import before_the_draw
from eval.howfar import HowFar, every
from eval.run import Progress
from zoo.cli.shared.console import QUIET, say
from zoo.cli.shared.data import download_bar
from zoo.cli.shared.progress import progress_bar


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stands(stage: str, done: int, under_way: float = 0.0, **more: Any) -> Progress:
    return Progress(stage, done, 100, n_right=90, n=120, under_way=under_way, **more)


def test_a_line_says_stage_images_share_accuracy_and_times() -> None:
    clock = Clock()
    how_far = HowFar(30, clock)
    clock.now = 30
    assert how_far.line() == "getting ready, 30 s so far"
    how_far.update(stands("apgd-ce", 0))
    assert how_far.line() == (
        "apgd-ce: 0 of 100 images done, not broken so far 75.0 %, 30 s so far"
    )
    clock.now = 90
    how_far.update(stands("apgd-ce", 10, under_way=5.0))
    assert how_far.line() == (
        "apgd-ce: 10 of 100 images done, 15 % of the work, not broken so far 75.0 %,"
        " about 5 min 40 s left of apgd-ce, 1 min 30 s so far"
    )


def test_the_pace_is_that_of_this_session_and_stage() -> None:
    clock = Clock()
    how_far = HowFar(30, clock)
    how_far.update(stands("apgd-ce", 80))  # known from the journal
    clock.now = 10
    how_far.update(stands("apgd-ce", 90))
    assert "about 10 s left of apgd-ce" in how_far.line()
    clock.now = 1000
    how_far.update(stands("square", 0))
    assert "left" not in how_far.line()
    clock.now = 1010
    how_far.update(stands("square", 50))
    assert "about 10 s left of square" in how_far.line()
    how_far.update(stands("square", 100))
    assert "left" not in how_far.line()


def test_a_second_run_with_a_stage_of_the_same_name_has_a_pace_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    how_far = HowFar(30, clock)
    with _bar(monkeypatch, 100) as update:
        for clock.now, done in ((0, 0), (1000, 100), (1000, 0), (1010, 50)):
            how_far.update(stands("pgd-5", done))
            update(stands("pgd-5", done))
    assert "about 10 s left of pgd-5" in how_far.line()
    assert "50/100" in capsys.readouterr().err.split("\x1b[2K")[-1]


def test_a_long_silence_is_said_and_the_time_left_goes_on_to_fall() -> None:
    clock = Clock()
    how_far = HowFar(30, clock)
    how_far.update(stands("fab-t", 0))
    clock.now = 50
    how_far.update(stands("fab-t", 50))
    clock.now = 79
    assert "nothing new" not in how_far.line()
    clock.now = 90
    assert how_far.line().endswith(
        "about 10 s left of fab-t, 1 min 30 s so far, nothing new for 40 s, still at work"
    )
    clock.now = 300
    assert "about 0 s left of fab-t" in how_far.line()


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("clean", "right so far"),
        ("A: clean", "right so far"),
        ("pgd-50", "not broken so far"),
        ("eps 8/255 apgd-ce", "not broken so far"),
    ],
)
def test_only_an_interval_is_called_robust(stage: str, what: str) -> None:
    how_far = HowFar(30, Clock())
    how_far.update(stands(stage, 20))
    assert f"{what} 75.0 %" in how_far.line()
    assert "robust" not in how_far.line()
    how_far.update(stands(stage, 20, estimate=before_the_draw(120, 90, 30)))
    assert "robust 25.0 to 75.0 %" in how_far.line()


def test_without_a_terminal_lines_come_at_their_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "PLAIN_S", 0.02)
    with progress_bar() as update:
        update(stands("pgd-50", 20))
        heard = wait_for(capsys, "pgd-50: 20 of 100", 2)
    assert "\x1b" not in heard
    assert all(line.startswith("sat-zoo: ") for line in heard.splitlines())


def wait_for(capsys: pytest.CaptureFixture[str], text: str, n: int) -> str:
    heard = ""
    for _ in range(6000):
        heard += capsys.readouterr().err
        if heard.count(text) >= n:
            return heard
        threading.Event().wait(0.01)
    raise AssertionError(heard)


def test_a_short_run_without_a_terminal_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    n_threads = threading.active_count()
    with progress_bar() as update:
        update(stands("pgd-50", 20))
        assert threading.active_count() == n_threads + 1
    assert capsys.readouterr().err == ""
    assert threading.active_count() == n_threads


def test_a_quiet_command_shows_nothing_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = click.Context(click.Command("eval"))
    context.meta[QUIET] = True
    n_threads = threading.active_count()
    with context, _bar(monkeypatch, 80) as update, download_bar() as on_download:
        update(stands("pgd-50", 20))
        on_download(1, 2)
        assert threading.active_count() == n_threads
    assert capsys.readouterr().err == ""


def test_what_is_told_again_and_again_ends_with_the_block() -> None:
    told, enough = list[int](), threading.Event()

    def tell() -> None:
        told.append(1)
        if len(told) >= 3:
            enough.set()

    with every(0.005, tell):
        assert enough.wait(60)
    n_told = len(told)
    threading.Event().wait(0.03)
    assert len(told) == n_told


@contextmanager
def _bar(monkeypatch: pytest.MonkeyPatch, width: int, **plain: Any) -> Iterator[Any]:
    def console() -> Console:
        return Console(
            stderr=True, soft_wrap=True, **plain, force_terminal=True, width=width, height=24
        )

    monkeypatch.setattr(bars, "_console", console)
    monkeypatch.setattr(bars, "_moves", lambda _: True)
    with progress_bar() as update:
        yield update


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize(
    ("stage", "estimate"),
    [
        ("clean", None),
        ("fab-t", before_the_draw(12_000, 12_000, 0)),
        ("B: eps 16/255 apgd-ce", None),
    ],
)
def test_a_bar_fits_its_terminal_whole(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    stage: str,
    estimate: Any,
) -> None:
    with _bar(monkeypatch, width) as update:
        update(Progress(stage, 1234, 10_000, 9000, 12_000, estimate, under_way=64.0))
    screen = capsys.readouterr().err
    assert "1234/10000" in screen
    assert ("robust 0.0 to 100.0 %" if estimate else "so far 75.0 %") in screen
    assert stage in screen
    assert "…" not in screen
    assert screen.count("━") >= (4 if width == 80 else 40)


def test_what_is_said_stands_above_the_bar_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"the verdicts so far are in /{'folder/' * 20}file.sqlite: the same command goes on"
    with _bar(monkeypatch, 80) as update:
        update(stands("apgd-ce", 10))
        say(text)
    shown = capsys.readouterr().err
    assert f"\x1b[2Ksat-zoo: {text}\n" in shown  # on a line that was cleared


def test_the_bar_moves_within_a_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = []
    for share in (0.0, 0.25, 0.5, 0.99):
        with _bar(monkeypatch, 100, color_system=None) as update:  # draws what is done alone
            update(stands("apgd-ce", 0, under_way=100 * share))
        last = capsys.readouterr().err.split("\x1b[2K")[-1]
        assert "0/100" in last
        lengths.append(last.count("━"))
    assert lengths[0] == 0
    assert lengths == sorted({*lengths})
