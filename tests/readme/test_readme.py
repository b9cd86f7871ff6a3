"""The README's Python runs; its shell commands are run by `.ci/run` and the command-line tests."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def test_the_python_example_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert re.match(r"0\.\d+ \(0\.\d+, 0\.\d+\)", capsys.readouterr().out)


def test_nothing_was_left_to_fill_in() -> None:
    assert "@@" not in README
