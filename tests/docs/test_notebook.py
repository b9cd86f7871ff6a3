"""The committed notebook: run, small, of nobody's machine; `.ci/run` runs it again."""

import copy
import json
from typing import Any

import pytest

from tests.docs.pages import DOCS

pytestmark = pytest.mark.usefixtures("docs_tools")


@pytest.fixture
def notebook() -> Any:
    import nbformat

    return nbformat.read(DOCS / "quickstart.ipynb", as_version=4)


def text_of(notebook: Any) -> str:
    import nbformat

    return nbformat.writes(notebook)


def test_the_committed_notebook_is_tidy(notebook: Any) -> None:
    from docs.run_notebook import untidy

    committed = (DOCS / "quickstart.ipynb").read_text("utf-8")
    assert untidy(notebook, committed) == []
    assert len(committed.encode()) < 100_000
    assert any("image/png" in str(cell.get("outputs")) for cell in notebook.cells)


def test_it_compares_the_twins_with_an_interval(notebook: Any) -> None:
    shown = json.dumps(notebook.cells[-2]["outputs"])
    assert "SiLU keeps" in shown
    assert "exact McNemar p" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cell: cell.update(execution_count=None), "was not run"),
        (lambda cell: cell["metadata"].update(execution={"a": "2026"}), "time of its execution"),
        (lambda cell: cell["outputs"][0].update(text="in /root/.local/x"), "somebody's machine"),
        (lambda cell: cell["outputs"][0].update(text="x" * 200_001), "bytes, more than"),
    ],
)
def test_what_must_not_be_committed_is_found(notebook: Any, change: Any, message: str) -> None:
    from docs.run_notebook import untidy

    cell = next(
        c for c in notebook.cells if c.get("outputs") and c["outputs"][0]["output_type"] == "stream"
    )
    change(cell)
    assert any(message in said for said in untidy(notebook, text_of(notebook)))


@pytest.mark.parametrize(
    ("old", "new", "is_near"),
    [
        ("robust 78 of 96", "robust 79 of 96", True),
        ("robust 78 of 96", "robust 58 of 96", False),
        ("robust 78 of 96", "broken 78 of 96", False),
        ("+1.4 points", "-0.6 points", True),
        ("p = 0.40", "p = 0.40, and more", False),
        ("1,746 forwards", "2,005 forwards", True),
        ("1,746 forwards", "1,146 forwards", False),
        (
            "<td>94</td><td>1.8</td></tr><div>3 s</div>",
            "<td>94</td><td>40</td></tr><div>99 s</div>",
            True,
        ),
        ("<td>94</td><td>1.8</td></tr>", "<td>34</td><td>1.8</td></tr>", False),
    ],
)
def test_numbers_may_move_a_little_and_words_may_not(
    notebook: Any, old: str, new: str, is_near: bool
) -> None:
    from docs.run_notebook import differences

    now = copy.deepcopy(notebook)
    was = copy.deepcopy(notebook)
    for one, said in ((was, old), (now, new)):
        cell = next(c for c in one.cells if c.get("outputs"))
        cell["outputs"][0]["data"] = {"text/plain": said}
    assert (differences(was, now) == []) is is_near
    assert differences(was, now, exact=True)
