"""The list of flags, the code that raises them and the schema say the same.

Their page, docs/flags.md, is held to the list by tests/docs/test_reference.py.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from eval import Report
from eval.report.flag_codes import FLAGS, PATTERN, RANK, costs_rank
from eval.report.report import Flag

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [p for room in ("eval", "zoo", "leaderboard") for p in (ROOT / room).rglob("*.py")]


def raised(tree: ast.AST) -> Iterator[str]:
    """Every code of a `Flag(code=...)`; of a variable, each text like a code in its function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        texts = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant)}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Flag":
                (code,) = (word.value for word in call.keywords if word.arg == "code")
                if isinstance(code, ast.Constant):
                    yield code.value
                else:
                    yield from (t for t in texts if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", str(t)))


def test_every_flag_that_the_source_raises_is_on_the_list() -> None:
    found = {code for path in SOURCES for code in raised(ast.parse(path.read_text("utf-8")))}
    assert {"zero-gradient", "clean-at-chance", "unreliable", "mixed-sessions"} <= found
    assert found - FLAGS.keys() == set()


@pytest.mark.parametrize("code", FLAGS)
def test_a_code_has_the_form_of_codes_and_two_whole_sentences(code: str) -> None:
    assert re.fullmatch(PATTERN, code)
    for sentence in FLAGS[code]:
        assert re.fullmatch(r"[A-Z][^|\n]+\.", sentence), sentence


def test_whether_it_costs_the_rank_is_decided_for_every_flag() -> None:
    assert list(RANK) == list(FLAGS)
    for rank in RANK.values():
        assert re.fullmatch(r"[A-Z][^|\n]+\.", rank.why), rank


def test_a_flag_of_a_later_version_costs_the_rank() -> None:
    assert costs_rank("of-a-later-version-2")


def test_the_schema_says_what_each_code_means() -> None:
    schema = Report.model_json_schema(by_alias=True)["$defs"]["Flag"]["properties"]["code"]
    *known, later = schema["anyOf"]
    assert {one["const"]: one["description"] for one in known} == {
        code: meaning.means for code, meaning in FLAGS.items()
    }
    assert later["pattern"] == PATTERN


def test_a_code_of_a_later_version_is_read_and_one_that_is_none_refused() -> None:
    assert Flag(code="of-a-later-version-2", detail="x").code not in FLAGS
    for code in ("", "Two Words", "<script>", "a" * 41, "snake_case", "new\nline", "a-code\n"):
        with pytest.raises(ValidationError, match="code"):
            Flag(code=code, detail="x")
