"""Charts drawn when the site is built, which stand where a script draws or will draw them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from leaderboard.site import charts
from leaderboard.site.chartparts import FONT
from leaderboard.site.shared import style as style_sheet

WIDTH = 880
"""Pixels of a chart that has the width of a page."""


NEEDS = {
    "scatter": ("x",),
    "progress": ("year",),
    "parameters": ("parameters",),
    "flops": ("flops",),
}
"""Which fields a point must have to be in a chart."""

Data = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Picture:
    """An SVG with its size in pixels, and what it shows in words, empty where it does not say."""

    svg: str
    width: int
    height: int
    finding: str


def placed(
    files: dict[str, str], name: str, data: Data, *, place: str, width: int = WIDTH, up: str = ""
) -> dict[str, Any] | None:
    """What the macro `figure` shows of the chart, whose file joins `files`; None without a point.

    place: names the file, which is unique among `charts/`. up: from the page to the site's root.
    """
    needed = NEEDS.get(name, ())
    points = [it for it in data["points"] if all(it[field] is not None for field in needed)]
    if not points:
        return None
    drawn = picture(name, {**data, "points": points}, width)
    path = f"charts/{place}-{name}.svg"
    files[path] = drawn.svg
    return {
        "src": f"{up}{path}",
        "width": drawn.width,
        "height": drawn.height,
        "finding": drawn.finding,
    }


def picture(name: str, data: Data, width: int) -> Picture:
    """The chart `name` of `charts.specs` with its data sets filled, `width` pixels wide."""
    import vl_convert

    spec = json.loads(json.dumps(charts.specs()[name]))
    for source in spec["data"]:
        if source["name"] in data:
            source["values"] = list(data[source["name"]])
    for signal in spec["signals"]:
        if signal["name"] == "width":
            signal.pop("init", None)
            signal.pop("on", None)
            signal["value"] = width
    if any(signal["name"] == "finding" for signal in spec["signals"]):
        spec["title"] = {"text": {"signal": "finding"}, "fontSize": 1, "color": "none"}
    svg = vl_convert.vega_to_svg(spec)
    said = re.search(r"role-title-text.*?<text[^>]*>([^<]*)</text>", svg, re.DOTALL)
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    if size is None:
        raise ValueError(f"the chart {name} has no size")
    finding = html.unescape(said[1]) if said else ""
    return Picture(_light(svg), int(size[1]), int(size[2]), finding)


def _light(svg: str) -> str:
    """Without what only a page needs, its styles as classes, its colours of the system's choice."""
    svg = re.sub(r'<g class="mark-group role-title".*?</text></g></g></g></g>', "", svg)
    svg = re.sub(r' (?:role|class|aria-[a-z]+|pointer-events|font-[fs]\w+)="[^"]*"', "", svg)
    svg = re.sub(r"\d+\.\d{2,}", lambda found: f"{float(found[0]):.1f}", svg)
    svg = re.sub(r'<(?:path|g)[^>]*d="M0,0h0v0h0Z"[^>]*/>|<g></g>', "", svg)
    classes: dict[str, str] = {}
    svg = re.sub(r"<(?:path|line|text)[^>]*>", lambda found: _short(found[0], classes), svg)
    rules = "".join(f".{name}{{{css}}}" for css, name in classes.items())
    inside = f"<style>{_colours()}text{{font-family:{FONT};font-size:12px}}{rules}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1{inside}", svg, count=1) + "\n"


def _short(tag: str, classes: dict[str, str]) -> str:
    """The tag with its style as one of `classes`, CSS -> name, since hundreds have the same."""
    style = re.findall(r' ((?:fill|stroke|opacity)[a-z-]*)="([^"]*)"', tag)
    if not style:
        return tag
    css = ";".join(f"{name}:{value}" for name, value in style)
    name = classes.setdefault(css, f"s{len(classes)}")
    bare = re.sub(r' (?:fill|stroke|opacity)[a-z-]*="[^"]*"', "", tag)
    return re.sub(r"^<(\w+)", rf'<\1 class="{name}"', bare)


@cache
def _colours() -> str:
    """The colours of the style sheet as an SVG's own; a picture of a page does not inherit any."""
    light, dark = (
        re.sub(r"--(?:sans|mono|shadow):[^;]*;|color-scheme:[^;]*;|\s", "", found)
        for found in re.findall(r":root(?:\[data-theme=\"dark\"\])? \{([^}]*)\}", style_sheet())[:2]
    )
    return f"svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
