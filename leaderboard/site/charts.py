"""The charts, as Altair writes them: specifications without data, compiled to Vega when built.

Colours are CSS variables of assets/style.css, so that a page changes between light and dark
without drawing again. Every chart reads the data set "points", which assets/charts.js fills with
the rows that the table shows; accuracies in it are per cent. What a chart shows, in words, is its
signal "finding", made of the same data.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from leaderboard.site import boardcharts
from leaderboard.site.chartparts import (
    FONT,
    HEIGHT,
    POINTS,
    altair,
    clamped,
    colour,
    compiled,
    marks,
    named,
    names,
    points_of,
    says,
    shape,
    share,
    whisker,
)


@cache
def specs() -> dict[str, dict[str, Any]]:
    """Every chart, compiled, by name."""
    makers = {
        "scatter": boardcharts.scatter,
        "progress": boardcharts.progress,
        "parameters": lambda: boardcharts.cost("parameters", "Parameters", "parameters"),
        "flops": lambda: boardcharts.cost("flops", "Multiply-adds for one image", "multiply-adds"),
        "activations": activations,
        "twins": twins,
        "gains": gains,
        "checks": checks,
        "reported": reported,
    }
    return {name: compiled(make()) for name, make in makers.items()}


def activations() -> Any:
    """Robust accuracy of every row whose activation is known, a line of points for each."""
    alt = altair()
    base = points_of()
    rows = alt.Y(
        "activation:N",
        title=None,
        sort=alt.EncodingSortField("y", op="median", order="descending"),
        axis=alt.Axis(grid=True, ticks=False, labelPadding=10),
    )
    x = share("y", "Robust accuracy, %", channel="x")
    points = marks(base).encode(x=x, y=rows, color=colour(), shape=shape())
    middle = base.mark_tick(thickness=3, size=22, color="var(--ink)", aria=False).encode(
        x="median(y):Q", y=rows
    )
    chart = alt.layer(points, middle).properties(width="container", height=alt.Step(34))
    chart = chart.transform_joinaggregate(
        middle="median(y)", here="count()", groupby=["activation"]
    ).transform_joinaggregate(top="argmax(middle)", kinds="distinct(activation)", n="count()")
    return says(
        chart,
        "of.top.activation + ' has the highest median of ' + of.kinds + ' activations: '"
        " + format(of.top.middle, '.1f') + ' %, of ' + of.top.here + (of.top.here == 1 ?"
        " ' model' : ' models')",
    )


def twins() -> Any:
    """A slope for each attack, from the accuracy of a ReLU twin to that of the smooth model.

    Each end has its own interval; a slope whose paired interval holds zero is dashed.
    """
    alt = altair()
    base = points_of()
    sides = f"data('{POINTS}')[datum.value < 0.5 ? 0 : 1].side"
    x = alt.X(
        "x:Q",
        title=None,
        scale=alt.Scale(domain=[-0.12, 2.1], nice=False),
        axis=alt.Axis(values=[0, 1], labelExpr=sides, ticks=False, domain=False),
    )
    y = share("y", "Accuracy, %")
    is_clear = {"domain": [True, False]}
    tone = alt.Color(
        "clear:N", legend=None, scale=alt.Scale(**is_clear, range=["var(--accent)", "var(--ink-2)"])
    )
    dash = alt.Scale(**is_clear, range=[[1, 0], [4, 3]])
    lines = base.mark_line(strokeWidth=2, aria=False).encode(
        x=x,
        y=y,
        detail="attack:N",
        color=tone,
        strokeDash=alt.StrokeDash("clear:N", scale=dash, legend=None),
    )
    along = base.mark_rule(**whisker()).encode(x=x, y="y_low:Q", y2="y_high:Q", color=tone)
    texts = base.transform_filter("datum.label != ''").mark_text(
        align="left", dx=10, fontSize=12, font=FONT, color="var(--ink)", aria=False
    )
    layers = [
        lines,
        along,
        texts.encode(x=x, y="label_y:Q", text="label:N"),
        marks(base).encode(x=x, y=y, color=tone),
    ]
    return alt.layer(*layers).properties(width="container", height=230)


def gains() -> Any:
    """Paired difference of each smooth model to its ReLU twin, in points, with its interval."""
    alt = altair()
    base = points_of()
    # Of a narrow page the names take no more than half.
    most = alt.ExprRef("max(150, min(330, width * 0.45))")
    axis = alt.Axis(ticks=False, labelLimit=most, labelExpr="split(datum.label, ' | ')")
    y = alt.Y("label:N", title=None, sort=None, axis=axis)
    x = alt.X(
        "x:Q",
        title="Smooth minus ReLU, points",
        scale=alt.Scale(nice=True),
        axis=alt.Axis(tickCount=8),
    )
    zero = alt.Chart(alt.NamedData("zero")).mark_rule(color="var(--ink-2)", aria=False)
    scale = alt.Scale(domain=[True, False], range=["var(--accent)", "var(--ink-2)"])
    tone = alt.Color("clear:N", legend=None, scale=scale)
    bars = base.mark_rule(strokeWidth=2, aria=False).encode(
        x="x_low:Q", x2="x_high:Q", y=y, color=tone
    )
    points = marks(base).encode(x=x, y=y, color=tone)
    chart = alt.layer(zero.encode(x="x:Q"), bars, points)
    return chart.properties(width="container", height=alt.Step(42))


def checks() -> Any:
    """Claimed and measured accuracy of one model on one line, with the interval."""
    alt = altair()
    base = points_of()
    y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(ticks=False, labelLimit=340))
    x = share("x", "Accuracy, %", channel="x")
    bars = base.mark_rule(**whisker()).encode(x="x_low:Q", x2="x_high:Q", y=y, color=colour())
    points = marks(base).encode(x=x, y=y, color=colour(), shape=shape())
    return alt.layer(bars, points).properties(width="container", height=alt.Step(34))


def reported() -> Any:
    """What papers reported against what a third party found; "zero" holds the diagonal's ends.

    Named are the outliers, and those that are `far_off` from what they report.
    """
    alt = altair()
    base = (
        clamped(points_of(front="false"), y="")
        .transform_calculate(
            far="datum.far || datum.far_off",
            beyond="format(datum.x, '.1f') + ' → ' + format(datum.y, '.1f')",
        )
        .transform_joinaggregate(n_far="sum(far)")
    )
    base = named(base)
    x = share("x", "Reported by the paper, %", channel="x")
    line = alt.Chart(alt.NamedData("zero")).mark_line(
        color="var(--ink-3)", strokeDash=[5, 4], aria=False
    )
    y = share("y_at", "AutoAttack by a third party, %", of="y")
    layers = [
        line.encode(x="x:Q", y="y:Q"),
        *names(base, x),
        marks(base).encode(x=x, y=y, color=alt.value("var(--third)"), shape=alt.value("square")),
    ]
    return alt.layer(*layers).properties(width="container", height=HEIGHT)
