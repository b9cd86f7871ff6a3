"""The library speaks of arguments; only what belongs to the command line speaks of options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OPTION = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"sat-zoo (?:[a-z]+`? [^;:,]*)?--[a-z][^;]*|pip install --[^;]*")
"""A command to be typed is one, wherever it is read."""

NOT_LIBRARY = re.compile(
    r"zoo/(cli|doctor|publish)/|eval/bench/|/bench\.py$"  # commands
    r"|zoo/evidence/(__main__|sizes)\.py$|zoo/train/(profile|trials)\.py$"  # commands too
    r"|eval/arguments\.py$"  # the table of options
    r"|eval/(flags/|report/flag_codes\.py$)"  # stored in Reports, read by people of both kinds
)
OF_OTHERS = {"--error-unmatch", "--porcelain", "--address", "--skip-version-check", "--no-deps"}
"""Of git, Ray and pip."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


LIBRARY = [
    path
    for package in ("eval", "zoo")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not NOT_LIBRARY.search(relative(path))
]


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string but docstrings and descriptions; {} is put in at run time."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.keyword) and node.arg == "description":  # of a field in a schema
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
            texts = [v.value if isinstance(v, ast.Constant) else "{}" for v in node.values]
            yield node.lineno, "".join(map(str, texts))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_no_sentence_of_the_library_names_an_option(path: Path) -> None:
    for line, text in sentences(path):
        if text in OF_OTHERS:
            continue
        rest = COMMAND.sub("", text)
        assert not OPTION.search(rest), (
            f"{relative(path)}:{line}: {text!r} names an option: mark the argument, `name=VALUE`,"
            " see eval/arguments.py"
        )


@pytest.mark.parametrize(
    "text", ["use --fresh", "--out {} is a file", "a (--x y)", "sat-zoo eval: then --fresh"]
)
def test_the_rule_finds_options(text: str) -> None:
    assert OPTION.search(COMMAND.sub("", text))


def test_commands_print_sentences_through_the_console() -> None:
    for path in sorted((ROOT / "zoo" / "cli").rglob("*.py")):
        if path.name != "console.py":
            assert 'echo(f"sat-zoo:' not in path.read_text(), (
                f"{path}: use zoo.cli.shared.console.say"
            )
