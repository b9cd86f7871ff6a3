"""The JavaScript of others that pages carry: Vega for charts.

It comes out of the installed packages when a site is built; none of it lies in this repository.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def charts() -> str:
    """Vega with its embedding as `window.vegaEmbed`, which needs no `unsafe-eval` (`ast: true`)."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def licences() -> str:
    """The licences of what the pages carry, as the packages state them, for one text file."""
    parts = []
    for package in ("altair", "vl-convert-python"):
        found = metadata.distribution(package)
        texts = [
            path.read_text("utf-8")
            for path in found.files or ()
            if "dist-info" in str(path) and path.name.upper().startswith("LICEN")
        ]
        parts.append(f"{package} {found.version}\n\n" + "\n\n".join(texts))
    start = (
        "The pages of this site carry Vega, Vega-Lite and Vega-Embed (BSD 3-Clause) as bundled by"
        " vl-convert-python;\ntheir notices stand in the script. The packages:\n"
    )
    rule = "\n" + "-" * 78 + "\n"
    return start + rule + rule.join(parts)
