"""A sentence names the Python argument in Python and the option on the command line."""

import ast
import importlib
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import evaluate, open_data
from eval.arguments import MARK, argument, arguments_in, as_options, is_known
from eval.bench.__main__ import command as bench
from eval.data import read_ids
from eval.errors import DataError, ModelError, SatZooError, UsageError, WeightsUnavailable
from eval.threat import Threat
from tests.layout.test_sentences import LIBRARY, sentences
from zoo import load


@pytest.mark.parametrize(
    ("python", "options"),
    [
        ("name it with `data_dir`", "name it with --data-dir"),
        ("start over with `fresh=True`", "start over with --fresh"),
        ("use `engine='fast'`", "use --engine fast"),
        ('write `eps="8/255"`', "write --eps 8/255"),
        ("pass `weights=FILE.safetensors`", "pass --weights FILE.safetensors"),
        ("`mean=(0.5, 0.25)` `size=32`", "--mean 0.5,0.25 --size 32"),
        ("`arch_args={'act_layer': 'relu'}`", "--arch-option act_layer=relu"),
        ("`overrides=['epochs=5', 'lr=1']`", "--set epochs=5 --set lr=1"),
        ("state `classes=10`", "state --n-classes 10"),
        ("list them with `classes=FILE`", "list them with --classes"),
        ("`strip_prefix=''` takes them", "--strip-prefix '' takes them"),
        ("alone with `ema=False`", "alone with --no-ema"),
        ("use `open_data('cifar10-jpeg')`", "use --data cifar10-jpeg"),
        ("leave them out with `without_unreadable()`", "leave them out with --skip-corrupt"),
        ("`n_decoders=0`", "--decoders 0"),
        # What is no argument of the command line stays.
        ("`preprocess` and `sat-zoo eval` and `model.safetensors`",) * 2,
        ("a lone ` and `n", "a lone ` and `n"),
    ],
)
def test_a_mark_becomes_the_option(python: str, options: str) -> None:
    assert as_options(python) == options


@given(st.text())
def test_any_value_comes_through_unchanged(value: str) -> None:
    assert as_options(f"`x`{argument('out', value)}.") == f"`x`--out {value or repr('')}."


@given(st.text())
def test_any_text_can_be_printed(text: str) -> None:
    assert as_options(text) == text or MARK.search(text)


def test_a_path_in_backticks_is_one_value() -> None:
    said = argument("out", Path("/a `journal` b/c's"))
    assert as_options(said) == "--out /a `journal` b/c's"
    assert arguments_in(said) == ("out",)


def test_an_error_has_the_names_of_its_arguments() -> None:
    error = UsageError("`weights` and `fresh=True`, or `weights=FILE`")
    assert error.arguments == ("weights", "fresh")
    assert SatZooError("nothing is named").arguments == ()
    assert DataError(f"wrapped: {error}; go on").arguments == ("weights", "fresh")


def missing_data(tmp_path: Path) -> object:
    return open_data("cifar10", data_dir=tmp_path / "gone")


def wrong_device(tmp_path: Path) -> object:
    return evaluate(load("resnet8-silu-sat-digits"), open_data("digits"), device="gpu")


def wrong_eps(tmp_path: Path) -> object:
    return Threat.of("Linf", 0)


def no_ids(tmp_path: Path) -> object:
    return read_ids(tmp_path / "gone")


def no_weights(tmp_path: Path) -> object:
    return load("resnet50-silu-sat")


def unstated(tmp_path: Path) -> object:
    file = tmp_path / "x.safetensors"
    file.touch()
    return load(str(file), arch="resnet18", classes=10, size=32)


def card_says_it(tmp_path: Path) -> object:
    return load("resnet8-silu-sat-digits", classes=3)


@pytest.mark.parametrize(
    ("call", "kind", "python", "options"),
    [
        (missing_data, DataError, "`data_dir` /", "--data-dir /"),
        (wrong_device, UsageError, "use `device='cpu'`", "use --device cpu"),
        (wrong_eps, UsageError, "`eps='8/255'`", "--eps 8/255"),
        (no_ids, UsageError, "`read_ids('/", "--ids /"),
        (no_weights, WeightsUnavailable, "pass `weights=FILE", "pass --weights FILE"),
        (unstated, UsageError, "`mean=(0.485, 0.456, 0.406)` `std=", "--mean 0.485,0.456,0.406 --"),
        (card_says_it, UsageError, "`classes` 3: resnet8", "--n-classes 3: resnet8"),
    ],
)
def test_the_library_says_arguments_and_the_command_line_options(
    call: object, kind: type[SatZooError], python: str, options: str, tmp_path: Path
) -> None:
    assert callable(call)
    with pytest.raises(kind) as caught:
        call(tmp_path)
    assert python in str(caught.value)
    assert not re.search(r"(?<!\w)--[a-z]", re.sub(r"sat-zoo [^;]*", "", str(caught.value)))
    assert options in as_options(str(caught.value))
    assert caught.value.arguments


def test_the_command_line_prints_options_only(sat_zoo, tmp_path: Path) -> None:
    done = sat_zoo("eval", "resnet8-silu-sat-digits", "--device", "gpu", "--attack", "clean")
    assert done.code == 2
    assert "--device 'gpu' cannot be used here" in done.err
    assert done.err.rstrip().endswith("use --device cpu")
    assert "`" not in done.err


def options_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from options_of(found)


def test_every_mark_in_the_library_is_an_option_that_there_is() -> None:
    commands = [entry.load() for entry in entry_points(group="sat_zoo.commands")]
    known = {one for command in (*commands, bench) for one in options_of(command)}
    n_marks = 0
    for path in LIBRARY:
        for line, text in sentences(path):
            for mark in MARK.finditer(text):
                n_marks += 1
                assert is_known(mark), f"{path}:{line}: {mark[0]} has no option"
                option = re.search(r"--[a-z-]+", as_options(mark[0]))
                assert option, mark[0]
                assert option[0] in known, f"{path}:{line}: {mark[0]} -> {option[0]}"
    assert n_marks > 40


def test_every_option_in_the_table_is_named_after_an_argument_that_there_is() -> None:
    module = importlib.import_module("eval.arguments")
    trees = [ast.parse(path.read_text("utf-8")) for path in LIBRARY]
    arguments = {n.arg for tree in trees for n in ast.walk(tree) if isinstance(n, ast.arg)}
    fields = {
        n.target.id
        for tree in trees
        for n in ast.walk(tree)
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }
    assert {*module._SAME, *module._NAMES} - arguments - fields == set()


def test_a_model_error_has_arguments_too() -> None:
    assert ModelError("pass `allow_probabilities=True`").arguments == ("allow_probabilities",)
