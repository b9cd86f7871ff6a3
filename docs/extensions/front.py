"""The site's first page, which leads to docs/index.html: pages lie where their sources lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>sat-zoo</title>
<meta http-equiv="refresh" content="0; url=docs/index.html">
<a href="docs/index.html">sat-zoo: documentation</a>
"""


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(PAGE, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
