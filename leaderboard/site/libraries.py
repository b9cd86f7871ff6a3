"""The JavaScript that pages carry: Vega for charts, DataTables for tables.

It comes out of the installed packages when a site is built; none of it lies in this repository.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata, resources

from eval.errors import SatZooError

INSTALL = "install them with: pip install '.[leaderboard]' in the folder of sat-zoo"


@cache
def charts() -> str:
    """Vega with its embedding as `window.vegaEmbed`, which needs no `unsafe-eval` (`ast: true`)."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


@cache
def tables() -> str:
    """DataTables as `window.DataTable`.

    The package ships one ES module. A page opened from a file may not import modules, so its one
    `export` becomes an assignment.
    """
    try:
        folder = resources.files("itables")
    except ModuleNotFoundError as error:
        raise SatZooError(f"tables need the package itables: {INSTALL}") from error
    bundle = (folder / "html" / "dt_bundle.js").read_text("utf-8")
    exports = re.findall(r"export\s*\{([^}]*)\}\s*;?", bundle)
    named = re.findall(r"([\w$]+) as default\b", exports[0]) if len(exports) == 1 else []
    if len(named) != 1:
        raise SatZooError(
            "the table library in the package itables is not built as in version 2.9: install"
            " 'itables>=2.9,<3' and build again"
        )
    return re.sub(r"export\s*\{[^}]*\}\s*;?", f"window.DataTable={named[0]};", bundle)


def licences() -> str:
    """The licences of what the pages carry, as the packages state them, for one text file."""
    parts = []
    for package in ("altair", "vl-convert-python", "itables"):
        found = metadata.distribution(package)
        texts = [
            path.read_text("utf-8")
            for path in found.files or ()
            if "dist-info" in str(path) and path.name.upper().startswith("LICEN")
        ]
        parts.append(f"{package} {found.version}\n\n" + "\n\n".join(texts))
    start = (
        "The pages of this site carry Vega, Vega-Lite and Vega-Embed (BSD 3-Clause) as bundled by"
        " vl-convert-python,\nand DataTables with jQuery (MIT) as bundled by itables; their notices"
        " stand in the scripts. The packages:\n"
    )
    rule = "\n" + "-" * 78 + "\n"
    return start + rule + rule.join(parts)
