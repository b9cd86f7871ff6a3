"""Formulas as MathML, which browsers draw by themselves: no script and no font is loaded."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

_LOG = getLogger(__name__)


def _inline(writer: Any, node: nodes.math) -> None:
    _append(writer, node, as_block=False)


def _block(writer: Any, node: nodes.math_block) -> None:
    _append(writer, node, as_block=True)


def _append(writer: Any, node: nodes.Node, *, as_block: bool) -> None:
    try:
        writer.body.append(tex2mathml(node.astext(), as_block=as_block))
    except Exception as error:  # a formula that cannot be read ends the build, with its place
        _LOG.warning("formula %r: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
