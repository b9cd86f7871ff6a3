"""What the pages share, each once beside them in `assets/`: style, own scripts, libraries.

Classic scripts, not modules: a page opened from a file may not import. Each runs in a function of
its own, so that two may use the same name; `charts.js` gives the others `page` and `startCharts`.
"""

from __future__ import annotations

import json
from pathlib import Path

from leaderboard.site import charts, libraries

ASSETS = Path(__file__).parent / "assets"


def shared() -> dict[str, str]:
    """Path inside the site -> text."""
    scripts = {path.stem: path.read_text("utf-8") for path in sorted(ASSETS.glob("*.js"))}
    scripts["charts"] = f"const SPECS = {json.dumps(charts.specs())};\n{scripts['charts']}"
    scripts["vega"] = libraries.charts()
    files = {f"assets/{name}.js": _alone(text) for name, text in scripts.items()}
    return {"assets/style.css": style(), **files}


def style() -> str:
    """The style sheet: `style.css`, which names the colours, then the other files by name."""
    first = ASSETS / "style.css"
    rest = sorted(path for path in ASSETS.glob("*.css") if path != first)
    return "\n".join(path.read_text("utf-8").strip() for path in (first, *rest)) + "\n"


def _alone(script: str) -> str:
    return f'(() => {{\n"use strict";\n{script.strip()}\n}})();\n'
