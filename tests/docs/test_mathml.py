"""Formulas become MathML, and one that cannot be read ends the build."""

import re
from types import SimpleNamespace

import pytest

from tests.docs.pages import text

pytestmark = pytest.mark.usefixtures("docs_tools")


def formulas(page: str) -> list[str]:
    blocks = re.findall(r"\$\$(.*?)\$\$", page, re.DOTALL)
    return blocks + re.findall(r"\$([^$]+)\$", re.sub(r"\$\$.*?\$\$", "", page, flags=re.DOTALL))


def test_every_formula_of_the_page_can_be_drawn() -> None:
    from docutils.utils.math.latex2mathml import tex2mathml

    found = formulas(text("mathematics.md"))
    assert len(found) > 30
    for formula in found:
        assert tex2mathml(formula).startswith("<math")


def test_a_formula_is_written_without_a_script() -> None:
    from docutils import nodes

    from docs.extensions.mathml import _block

    writer = SimpleNamespace(body=[])
    with pytest.raises(nodes.SkipNode):
        _block(writer, nodes.math_block("", r"\frac{1}{n}"))
    (drawn,) = writer.body
    assert drawn.startswith("<math")
    assert 'display="block"' in drawn
    assert "script" not in drawn


@pytest.mark.parametrize("formula", [r"\nosuchthing x", r"\tfrac12"])
def test_one_that_cannot_be_read_is_a_warning(
    formula: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docutils import nodes

    from docs.extensions import mathml

    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(mathml, "_LOG", SimpleNamespace(warning=lambda *a, **_: told.append(a)))
    with pytest.raises(nodes.SkipNode):
        mathml._inline(SimpleNamespace(body=[]), nodes.math("", formula))
    assert len(told) == 1
