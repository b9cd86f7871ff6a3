"""The charts, as Altair writes them: specifications without data, compiled to Vega when built.

Colours are CSS variables of assets/style.css, so that a page changes between light and dark
without drawing again. Every chart reads the data set "points", which assets/charts.js fills with
the rows that the table shows; accuracies in it are per cent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

KINDS = ("measured by us", "third party", "claimed")
COLOURS = ("var(--accent)", "var(--third)", "var(--claimed)")
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
"""By name and not inherited: Vega measures labels with it before they are drawn."""
SHAPES = ("circle", "square", "triangle-up")


@cache
def specs(*names: str) -> dict[str, dict[str, Any]]:
    """Compiled charts by name: scatter, parameters, flops, activations, gains, checks, reported."""
    makers = {
        "scatter": scatter,
        "parameters": lambda: cost("parameters", "Parameters"),
        "flops": lambda: cost("flops", "Multiply-adds for one image"),
        "activations": activations,
        "gains": gains,
        "checks": checks,
        "reported": reported,
    }
    return {name: _compiled(makers[name]()) for name in names}


def scatter() -> Any:
    """Clean against robust accuracy with intervals; data set "front" holds the Pareto front."""
    alt = _altair()
    x, y = _share("x", "Clean accuracy, %"), _share("y", "Robust accuracy, %")
    front = (
        alt.Chart(alt.NamedData("front"))
        .mark_line(interpolate="step-before", color="var(--ink-2)", strokeDash=[5, 4], aria=False)
        .encode(x="x:Q", y="y:Q", order=alt.Order("order:Q"))
    )
    base = alt.Chart(alt.NamedData("points"))
    across = base.mark_rule(**_whisker()).encode(x="x_low:Q", x2="x_high:Q", y=y, color=_kind())
    along = base.mark_rule(**_whisker()).encode(x=x, y="y_low:Q", y2="y_high:Q", color=_kind())
    points = _points(base).encode(x=x, y=y, color=_kind(), shape=_kind_shape())
    return alt.layer(front, across, along, points).properties(width="container", height=400)


def cost(field: str, title: str) -> Any:
    """Robust accuracy against what the network costs, on a logarithmic axis."""
    alt = _altair()
    base = alt.Chart(alt.NamedData("points")).transform_filter(f"datum.{field} > 0")
    axis = alt.Axis(format="~s", tickCount=5)
    x = alt.X(f"{field}:Q", title=title, scale=alt.Scale(type="log", nice=True), axis=axis)
    y = _share("y", "Robust accuracy, %")
    along = base.mark_rule(**_whisker()).encode(x=x, y="y_low:Q", y2="y_high:Q", color=_kind())
    points = _points(base).encode(x=x, y=y, color=_kind(), shape=_kind_shape())
    return alt.layer(along, points).properties(width="container", height=260)


def activations() -> Any:
    """Robust accuracy of every row whose activation is known, a line of points for each."""
    alt = _altair()
    base = alt.Chart(alt.NamedData("points"))
    rows = alt.Y(
        "activation:N",
        title=None,
        sort=alt.EncodingSortField("y", op="median", order="descending"),
        axis=alt.Axis(grid=True, ticks=False, labelPadding=10),
    )
    x = _share("y", "Robust accuracy, %", channel="x")
    points = _points(base).encode(x=x, y=rows, color=_kind(), shape=_kind_shape())
    middle = base.mark_tick(thickness=3, size=22, color="var(--ink)", aria=False).encode(
        x="median(y):Q", y=rows
    )
    return alt.layer(points, middle).properties(width="container", height=alt.Step(34))


def gains() -> Any:
    """Paired difference of each smooth model to its ReLU twin, in points, with its interval."""
    alt = _altair()
    base = alt.Chart(alt.NamedData("points"))
    y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(ticks=False, labelLimit=340))
    x = alt.X(
        "x:Q",
        title="Smooth minus ReLU, points",
        scale=alt.Scale(nice=True),
        axis=alt.Axis(tickCount=8),
    )
    zero = (
        alt.Chart(alt.NamedData("zero")).mark_rule(color="var(--ink-2)", aria=False).encode(x="x:Q")
    )
    whisker = base.mark_rule(strokeWidth=2, color="var(--accent)", aria=False).encode(
        x="x_low:Q", x2="x_high:Q", y=y
    )
    points = _points(base).encode(x=x, y=y, color=alt.value("var(--accent)"))
    return alt.layer(zero, whisker, points).properties(width="container", height=alt.Step(34))


def checks() -> Any:
    """Claimed and measured accuracy of one model on one line, with the interval."""
    alt = _altair()
    base = alt.Chart(alt.NamedData("points"))
    y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(ticks=False, labelLimit=340))
    x = _share("x", "Accuracy, %", channel="x")
    whisker = base.mark_rule(**_whisker()).encode(x="x_low:Q", x2="x_high:Q", y=y, color=_kind())
    points = _points(base).encode(x=x, y=y, color=_kind(), shape=_kind_shape())
    return alt.layer(whisker, points).properties(width="container", height=alt.Step(34))


def reported() -> Any:
    """What papers reported against what a third party found; "zero" holds the diagonal's ends."""
    alt = _altair()
    line = (
        alt.Chart(alt.NamedData("zero"))
        .mark_line(color="var(--ink-3)", strokeDash=[5, 4], aria=False)
        .encode(x="x:Q", y="y:Q")
    )
    points = _points(alt.Chart(alt.NamedData("points"))).encode(
        x=_share("x", "Reported by the paper, %"),
        y=_share("y", "AutoAttack by a third party, %"),
        color=alt.value("var(--third)"),
    )
    return alt.layer(line, points).properties(width="container", height=400)


def _share(field: str, title: str, *, channel: str = "y") -> Any:
    alt = _altair()
    kind = alt.X if field == "x" or channel == "x" else alt.Y
    return kind(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(zero=False, nice=False, padding=16),
        axis=alt.Axis(tickCount=7),
    )


def _kind() -> Any:
    alt = _altair()
    scale = alt.Scale(domain=list(KINDS), range=list(COLOURS))
    return alt.Color("kind:N", scale=scale, legend=None)


def _kind_shape() -> Any:
    alt = _altair()
    scale = alt.Scale(domain=list(KINDS), range=list(SHAPES))
    return alt.Shape("kind:N", scale=scale, legend=None)


def _points(base: Any) -> Any:
    """Points with a hollow middle, an accessible name, and a tooltip that charts.js writes."""
    alt = _altair()
    mark = base.mark_point(
        size=64, strokeWidth=1.8, fill="var(--paper)", cursor="pointer", tooltip={"content": "data"}
    )
    return mark.encode(description="described:N", order=alt.Order("z:Q"))


def _whisker() -> dict[str, Any]:
    return {"strokeWidth": 1.4, "opacity": 0.45, "aria": False}


def _compiled(chart: Any) -> dict[str, Any]:
    import vl_convert

    spec = chart.configure(**_config()).to_dict()
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(spec)
    return vega


def _config() -> dict[str, Any]:
    text, faint = "var(--ink-2)", "var(--line)"
    axis = {
        "labelColor": text,
        "titleColor": text,
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "gridColor": faint,
        "domainColor": faint,
        "tickColor": faint,
    }
    return {"axis": axis, "background": "transparent", "view": {"stroke": None}}


@cache
def _altair() -> Any:
    import altair

    return altair
