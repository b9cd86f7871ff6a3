"""What charts are put together from: named points, an axis for the bulk, and how they compile.

No text is measured, so names cannot overprint by construction: each stands in a line of its own
beyond the points, ends where its point is, and a rule leads from it to the point. Those further to
the right stand further out, so that no name crosses a rule.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

KINDS = ("measured", "third party", "claimed")
COLOURS = ("var(--accent)", "var(--third)", "var(--claimed)")
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
"""By name and not inherited: Vega measures labels with it before they are drawn."""
SHAPES = ("circle", "square", "triangle-up")

LINE = 15
"""Pixels from a name to the next."""
MOST_NAMED = 8
"""On one side of a chart."""
HEIGHT = 400

POINTS = "@points@"
"""Stands, in expressions, for the name that the compiler gives the transformed points."""


@cache
def altair() -> Any:
    """The package, imported when a chart is made."""
    import altair

    return altair


def points_of(**transforms: Any) -> Any:
    """A chart of the data set "points"; `transforms` are calculated fields, in order."""
    chart = altair().Chart(altair().NamedData("points"))
    return chart.transform_calculate(**transforms) if transforms else chart


def clamped(chart: Any, **fields: str) -> Any:
    """Finds outliers, which would crush the others: `far`, and `beyond`, their value in words.

    An outlier lies 3 times the distance of the quartiles below the first, with 8 points or more.
    fields: what stands before the value of each. `f_floor` and `f_top` are the least and the most
    of the field f among the others.
    """
    chart = chart.transform_joinaggregate(
        n="count()", **{f"{f}_{q}": f"{q}({f})" for f in fields for q in ("q1", "q3")}
    )
    # What lies below a field's fence says its value; a number that is not known lies nowhere.
    low = [
        f"isValid(datum.{f}) && datum.{f} < 4 * datum.{f}_q1 - 3 * datum.{f}_q3 ?"
        f" '{words}' + format(datum.{f}, '.1f')"
        for f, words in fields.items()
    ]
    chart = chart.transform_calculate(beyond=f"datum.n < 8 ? '' : {' : '.join(low)} : ''")
    chart = chart.transform_calculate(far="datum.beyond != ''")
    chart = chart.transform_calculate(
        **{f"{f}_near": f"datum.far ? null : datum.{f}" for f in fields}
    )
    return chart.transform_joinaggregate(
        n_far="sum(far)",
        **{f"{f}_floor": f"min({f}_near)" for f in fields},
        **{f"{f}_top": f"max({f}_near)" for f in fields},
    )


def named(chart: Any, *, x: str = "x", rising: bool = False) -> Any:
    """Places names: of the points that are `front` above all points, of those `far` below all.

    Needs `clamped` of y. rising: along the front y rises with x. Adds y_at, where a point is drawn,
    label, label_y and n_front. Of a long front the highest are named.
    """
    first = altair().SortField
    chart = (
        chart.transform_calculate(tops="datum.front && !datum.far")
        .transform_joinaggregate(n_front="sum(front)", n_tops="sum(tops)")
        .transform_window(
            nth="row_number()",
            sort=[first("tops", "descending"), first("y", "descending"), first(x, "ascending")],
        )
        .transform_window(
            nth_far="row_number()", sort=[first("far", "descending"), first(x, "ascending")]
        )
        .transform_calculate(
            above=f"min(datum.n_tops, {MOST_NAMED})", below=f"min(datum.n_far, {MOST_NAMED})"
        )
        .transform_calculate(
            unit=f"{LINE} * max(datum.y_top - datum.y_floor, 1)"
            f" / ({HEIGHT - 3 * LINE} - {LINE} * (datum.above + datum.below))"
        )
    )
    is_named = f"datum.tops && datum.nth <= {MOST_NAMED}"
    is_far = f"datum.far && datum.nth_far <= {MOST_NAMED}"
    row = "datum.above - datum.nth + 1" if rising else "datum.nth"
    return chart.transform_calculate(
        y_at="max(datum.y, datum.y_floor - datum.unit)",
        label=f"{is_named} ? datum.name : {is_far} ? datum.beyond + '  ' + datum.name : ''",
        label_y=f"{is_named} ? datum.y_top + datum.unit * ({row})"
        " : datum.y_floor - datum.unit * (datum.nth_far + 1)",
    )


def names(base: Any, x: Any, y: str = "y_at") -> list[Any]:
    """The layers of the names and of the rules that lead from them to their points."""
    alt = altair()
    labelled = base.transform_filter("datum.label != ''")
    rules = labelled.mark_rule(color="var(--ink-3)", strokeWidth=0.8, aria=False)
    # At the left edge there is no room before a point, and its name stands behind it.
    is_left = f"scale('x', datum.{x.shorthand.split(':')[0]}) < 130"
    texts = labelled.mark_text(
        align=alt.ExprRef(f"{is_left} ? 'left' : 'right'"),
        dx=alt.ExprRef(f"{is_left} ? 4 : -4"),
        fontSize=11,
        font=FONT,
        color="var(--ink)",
        aria=False,
        limit=260,
    )
    return [
        rules.encode(x=x, y="label_y:Q", y2=f"{y}:Q"),
        texts.encode(x=x, y="label_y:Q", text=alt.Text("label:N")),
    ]


def share(field: str, title: str, *, channel: str = "y", of: str = "") -> Any:
    """An axis of accuracies; of: of a field of `clamped`, whose outliers have no place on it."""
    alt = altair()
    kind = alt.X if channel == "x" else alt.Y
    labels = alt.Undefined
    if of:
        first = f"data('{POINTS}')[0]"
        below = f"{first}.n_far > 0 && datum.value < {first}.{of}_floor - 1"
        outside = f"{below} || datum.value < 0 || datum.value > 100"
        labels = f"{outside} ? '' : datum.label"
    return kind(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(zero=False, nice=False, padding=16),
        axis=alt.Axis(tickCount=7, labelExpr=labels),
    )


def colour() -> Any:
    """Whose number it is, by colour."""
    alt = altair()
    scale = alt.Scale(domain=list(KINDS), range=list(COLOURS))
    return alt.Color("kind:N", scale=scale, legend=None)


def shape() -> Any:
    """Whose number it is, by shape, for those who do not see the colours."""
    alt = altair()
    scale = alt.Scale(domain=list(KINDS), range=list(SHAPES))
    return alt.Shape("kind:N", scale=scale, legend=None)


def marks(base: Any) -> Any:
    """Points with a hollow middle, an accessible name, and a tooltip that charts.js writes."""
    alt = altair()
    mark = base.mark_point(
        size=64, strokeWidth=1.8, fill="var(--paper)", cursor="pointer", tooltip={"content": "data"}
    )
    return mark.encode(description="described:N", order=alt.Order("z:Q"))


def whisker() -> dict[str, Any]:
    """How the interval of a point is drawn."""
    return {"strokeWidth": 1.4, "opacity": 0.45, "aria": False}


def says(chart: Any, finding: str) -> Any:
    """The chart with the signal "finding": what it shows, in words, by a Vega expression.

    In it `all` are the points and `of` the first of them, which has what holds for all.
    """
    body = finding.replace("all.", f"data('{POINTS}').").replace("of.", f"data('{POINTS}')[0].")
    return chart.add_params(
        altair().param(name="finding", expr=f"length(data('{POINTS}')) ? {body} : ''")
    )


def compiled(chart: Any) -> dict[str, Any]:
    """As Vega, which a browser draws without a compiler."""
    import vl_convert

    spec = chart.configure(**_config()).to_dict()
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(spec)
    of_points = [mark["from"]["data"] for mark in _all_marks(vega) if mark["type"] == "symbol"]
    text = json.dumps(vega).replace(POINTS, of_points[-1])
    done: dict[str, Any] = json.loads(text)
    return done


def _all_marks(group: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [it for mark in group.get("marks", []) for it in (mark, *_all_marks(mark))]
    return [mark for mark in inner if "data" in mark.get("from", {})]


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
