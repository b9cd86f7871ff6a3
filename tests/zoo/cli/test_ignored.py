"""An option that would be ignored is refused in one sentence, before anything starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from eval.errors import UsageError
from zoo.choice import choose
from zoo.pictures import Selection

Run = Callable[..., Any]
DIGITS = "resnet8-silu-sat-digits"
EVAL = ("eval", DIGITS)
CLEAN = (*EVAL, "--attack", "clean")
PLAN = (*EVAL, "--plan")
TRAIN = ("train", DIGITS, "--plan")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*EVAL, "--engine", "reference", "--precision", "bf16"), "use --engine fast"),
        (
            ("curve", DIGITS, "--eps", "1/255", "--engine", "reference", "--precision", "bf16"),
            "use --engine fast",
        ),
        ((*CLEAN, "--save-adversarial", "x"), "--save-adversarial x: attack 'clean' attacks"),
        ((*CLEAN, "--precision", "bf16"), "--precision bf16: attack 'clean' attacks nothing"),
        ((*CLEAN, "--journal", "x"), "--journal x: attack 'clean' attacks nothing"),
        ((*PLAN, "--out", "x"), "leave out --out"),
        ((*PLAN, "--save-adversarial", "x"), "leave out --save-adversarial"),
        ((*PLAN, "--journal", "x"), "leave out --journal"),
        ((*PLAN, "--fresh"), "leave out --fresh"),
        ((*CLEAN, "--allow-partial"), "--allow-partial is for imagenet, not for digits"),
        ((*CLEAN, "--decoders", "2"), "--decoders 2: the pictures of digits are not decoded"),
        ((*CLEAN, "--data-dir", "x"), "--data-dir x: digits come with scikit-learn"),
        ((*CLEAN, "--strip-prefix", "ema."), "name a --weights FILE"),
        ((*TRAIN, "--out", "x"), "leave out --out"),
        ((*TRAIN, "--fresh"), "leave out --fresh"),
        ((*TRAIN, "--limit-steps", "2"), "leave out --limit-steps"),
        ((*TRAIN, "--bundle"), "leave out --bundle"),
        ((*TRAIN, "--tensorboard"), "leave out --tensorboard"),
        (("pull", DIGITS, "--check", "--to", "x"), "leave out --to x"),
        (("pull", DIGITS, "--check", "--source", "hub"), "leave out --source hub"),
        (("pull", DIGITS, "--file", "x"), "--file x is a file of --repo"),
        (("doctor", DIGITS, "--quick"), "--quick is not for the NAME of a model"),
        (
            ("leaderboard", "build", "--data-dir", "x"),
            "is to hold the clean images of",
        ),
        (("reproduce", "resnet50-silu-sat", "--download-to", "x"), "--download"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    sat_zoo: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = sat_zoo(*words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_python_refuses_what_the_command_line_cannot_say() -> None:
    with pytest.raises(UsageError, match="beside pretrained=False"):
        zoo.load(DIGITS, weights="x.safetensors", pretrained=False)
    chosen = choose(DIGITS, images=Selection())
    for said in ({"name": "mine"}, {"weights": "x"}, {"channels": 1}):
        with pytest.raises(UsageError, match="was chosen already"):
            choose(chosen, images=Selection(), **said)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`journal` x: attack 'clean' attacks nothing"):
        zoo.evaluate(DIGITS, attack="clean", journal="x")
    assert zoo.evaluate(DIGITS, attack="clean", n=8, journal=True).clean.n == 8


def test_verify_refuses_folders_of_images_beside_a_report(sat_zoo: Run, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    assert sat_zoo(*CLEAN, "--n", "8", "--out", report).code == 0
    for option in ("--data-dir", "--classes"):
        done = sat_zoo("verify", report, option, "x")
        assert done.code == 2
        assert f"{option} x is for a file of adversarial images" in done.err
