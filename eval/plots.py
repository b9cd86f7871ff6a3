"""Plots as files: a Vega-Lite specification becomes SVG or PNG, offline. No library at import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.errors import UsageError
from eval.files.writing import check_writable, write_atomically

KINDS = (".svg", ".png")

PNG_SCALE = 2.0
"""Pixels of a PNG for each unit of the specification, so that it is sharp in a paper."""


def check_plot(path: Path) -> None:
    """Find out now whether `path` is a plot's name, and can be written.

    Raises `UsageError` for a name that ends in none of `KINDS`, else as `check_writable`.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(
            f"plot {path} is of no kind that can be drawn: end its name in {' or '.join(KINDS)}"
        )
    check_writable(path, "plot")


def write_plot(spec: dict[str, Any], path: Path) -> None:
    """Draw `spec`, a Vega-Lite specification with its data in it, into `path`.

    The old file or the whole new one is there, never half of it. Raises as `check_plot`.
    """
    check_plot(path)
    import vl_convert

    if path.suffix.lower() == ".svg":
        content = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
    else:
        content = vl_convert.vegalite_to_png(spec, scale=PNG_SCALE, allowed_base_urls=[])
    write_atomically(path, content)
