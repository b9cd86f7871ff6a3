"""The charts of a board: what is robust, since when, and at which cost."""

from __future__ import annotations

from typing import Any

from leaderboard.site.chartparts import (
    HEIGHT,
    altair,
    clamped,
    colour,
    marks,
    named,
    names,
    points_of,
    says,
    shape,
    share,
    whisker,
)


def scatter() -> Any:
    """Clean against robust accuracy with intervals, the Pareto front dashed and named.

    On the front is what no other point beats in both; flagged rows and estimates, whose `counts` is
    false, beat nobody.
    """
    alt = altair()
    falling = [alt.SortField("x", "descending"), alt.SortField("y", "descending")]
    base = points_of()
    x = share("x_at", "Clean accuracy, %", channel="x", of="x")
    y = share("y_at", "Robust accuracy, %", of="y")
    front = base.transform_filter("datum.front").mark_line(
        interpolate="step-before", color="var(--ink-2)", strokeDash=[5, 4], aria=False
    )
    near = base.transform_filter("!datum.far")
    across = near.mark_rule(**whisker()).encode(x="x_low:Q", x2="x_high:Q", y=y, color=colour())
    along = near.mark_rule(**whisker()).encode(x=x, y="y_low:Q", y2="y_high:Q", color=colour())
    layers = [
        front.encode(x=x, y=y, order="x:Q"),
        across,
        along,
        *names(base, x),
        marks(base).encode(x=x, y=y, color=colour(), shape=shape()),
    ]
    chart = alt.layer(*layers).properties(width="container", height=HEIGHT)
    chart = (
        clamped(chart, y="", x="clean ")
        .transform_calculate(y_if="datum.counts ? datum.y : null")
        .transform_window(so_far="max(y_if)", frame=[None, 0], ignorePeers=True, sort=falling)
        .transform_window(before="lag(so_far)", sort=falling)
        .transform_calculate(
            front="datum.counts && datum.y == datum.so_far && datum.y > (datum.before || -1)",
            x_at="max(datum.x, datum.x_floor - 0.03 * (datum.x_top - datum.x_floor))",
        )
        .transform_joinaggregate(best="argmax(y_if)", models="distinct(name)")
    )
    return says(
        named(chart),
        "of.n_front == 0 ? '' : of.n_front == 1 ? of.best.name + ' is best in both: no row that"
        " counts is more accurate or more robust' : 'No model is best in both: ' + of.n_front"
        " + ' of ' + of.models + ' are beaten by none'",
    )


def progress() -> Any:
    """Robust accuracy by the year of the paper; within a year by rank, so that points part.

    The line is the best so far, and each record is named.
    """
    alt = altair()
    base = points_of()
    x = alt.X(
        "x_at:Q",
        title="Year of the paper",
        scale=alt.Scale(zero=False, nice=False, padding=16),
        axis=alt.Axis(format="d", tickMinStep=1, labelOverlap="greedy", labelSeparation=8),
    )
    y = share("y_at", "Robust accuracy, %", of="y")
    best = base.transform_filter("datum.counts").mark_line(
        interpolate="step-after", color="var(--ink-2)", strokeWidth=1.6, aria=False
    )
    along = base.transform_filter("!datum.far").mark_rule(**whisker())
    layers = [
        best.encode(x=x, y="so_far:Q", order="x_at:Q"),
        along.encode(x=x, y="y_low:Q", y2="y_high:Q", color=colour()),
        *names(base, x),
        marks(base).encode(x=x, y=y, color=colour(), shape=shape()),
    ]
    chart = alt.layer(*layers).properties(width="container", height=HEIGHT)
    in_time = [alt.SortField("x_at", "ascending")]
    chart = (
        clamped(chart, y="")
        .transform_window(
            nth_of_year="row_number()", groupby=["year"], sort=[alt.SortField("y", "ascending")]
        )
        .transform_joinaggregate(n_of_year="count()", groupby=["year"])
        .transform_calculate(
            x_at="datum.year + 0.8 * datum.nth_of_year / (datum.n_of_year + 1) - 0.4",
            y_if="datum.counts ? datum.y : null",
        )
        .transform_window(so_far="max(y_if)", frame=[None, 0], sort=in_time)
        .transform_joinaggregate(best_of_year="max(y_if)", groupby=["year"])
        .transform_calculate(
            front="datum.counts && datum.y == datum.so_far && datum.y == datum.best_of_year"
        )
        .transform_calculate(y_front="datum.front ? datum.y : null")
        .transform_joinaggregate(first="argmin(y_front)", last="argmax(y_front)")
    )
    return says(
        named(chart, x="x_at", rising=True),
        "!isValid(of.last) || of.first.year == of.last.year ? '' : 'From '"
        " + format(of.first.y, '.1f') + ' % in ' + of.first.year + ' to '"
        " + format(of.last.y, '.1f') + ' % in ' + of.last.year + ': the best has gained '"
        " + format(of.last.y - of.first.y, '.1f') + ' points'",
    )


def cost(field: str, title: str, unit: str) -> Any:
    """Robust accuracy against what the network costs, on a logarithmic axis."""
    alt = altair()
    base = points_of()
    axis = alt.Axis(format="~s", tickCount=5, grid=False)
    scale = alt.Scale(type="log", nice=False, padding=16)
    x = alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)
    y = share("y_at", "Robust accuracy, %", of="y")
    along = base.transform_filter("!datum.far").mark_rule(**whisker())
    layers = [
        along.encode(x=x, y="y_low:Q", y2="y_high:Q", color=colour()),
        marks(base).encode(x=x, y=y, color=colour(), shape=shape()),
    ]
    chart = alt.layer(*layers).properties(width="container", height=260)
    chart = chart.transform_filter(f"datum.{field} > 0")
    chart = (
        clamped(chart, y="")
        .transform_joinaggregate(middle=f"median({field})")
        .transform_calculate(
            y_at="max(datum.y, datum.y_floor - 0.06 * (datum.y_top - datum.y_floor))",
            y_if="datum.counts ? datum.y : null",
            y_small=f"datum.counts && datum.{field} <= datum.middle ? datum.y : null",
        )
        .transform_joinaggregate(best="max(y_if)", best_small="max(y_small)")
    )
    return says(
        chart,
        f"of.n < 4 || !isValid(of.best_small) ? '' : 'The smaller half, up to '"
        f" + format(of.middle, '.2s') + ' {unit}, reaches '"
        " + format(of.best_small, '.1f') + ' %; all reach ' + format(of.best, '.1f') + ' %'",
    )
