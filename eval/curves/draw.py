"""A curve as a plot: accuracy with its intervals, and under it the difference of two models."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from eval.curves.curve import Curve
from eval.curves.series import CurveSeries
from eval.files.paths import AnyPath, path_of
from eval.plots import write_plot
from eval.radius import parse
from eval.report.percent import percent

COLOURS = ("#1f5fa8", "#c2571a")
INK, FAINT = "#3a3a3a", "#e4e4e4"
WIDTH, HEIGHT = 520, 300
FONT = "sans-serif"


def draw(curve: Curve, path: AnyPath) -> None:
    """Draw `curve` into a file whose name ends in .svg or .png. Raises as `eval.plots.check_plot`.

    Bars are the 95 % Wilson intervals of single points. Of two models the band below is the 95 %
    interval of the paired difference, also point by point.
    """
    path = path_of(path, "path")
    write_plot(specification(curve), path)


def specification(curve: Curve) -> dict[str, Any]:
    """The plot in Vega-Lite, with its data."""
    import altair as alt

    x = _x(curve)
    panels = _accuracies(curve, x)
    if curve.differences:
        panels = alt.vconcat(panels, _differences(curve, x), spacing=14)
    title = alt.TitleParams(
        _title(curve), subtitle=_remarks(curve), anchor="start", subtitleColor=INK, fontSize=14
    )
    axis = {"gridColor": FAINT, "labelColor": INK, "titleColor": INK, "titleFontWeight": "normal"}
    drawn = panels.properties(title=title, background="white").configure(
        font=FONT, axis=axis, view={"stroke": None}, legend={"labelLimit": 0}
    )
    found: dict[str, Any] = drawn.to_dict()
    return found


def names(curve: Curve) -> tuple[str, ...]:
    """The models' names, told apart where one was measured twice."""
    found = [series.model.name for series in curve.series]
    if len(set(found)) < len(found):
        found = [f"{which}: {name}" for which, name in zip("AB", found, strict=True)]
    return tuple(found)


def _accuracies(curve: Curve, x: Any) -> Any:
    import altair as alt

    rows = [
        {
            "model": name,
            "x": at,
            "accuracy": 100 * point.accuracy.accuracy,
            "low": 100 * point.accuracy.ci95[0],
            "high": 100 * point.accuracy.ci95[1],
        }
        for name, series in zip(names(curve), curve.series, strict=True)
        for at, point in zip(_places(curve), series.points, strict=True)
    ]
    base = alt.Chart({"values": rows}).encode(x=x, color=_colour(curve))
    y = alt.Y("accuracy:Q", title="Accuracy, %", scale=alt.Scale(domain=[0, 100]))
    bars = base.mark_rule(strokeWidth=1.4, opacity=0.6).encode(
        y=alt.Y("low:Q", title="Accuracy, %"), y2="high:Q"
    )
    lines = base.mark_line(strokeWidth=1.8).encode(y=y)
    points = base.mark_point(size=36, filled=True, opacity=1).encode(y=y)
    return alt.layer(bars, lines, points).properties(width=WIDTH, height=HEIGHT)


def _differences(curve: Curve, x: Any) -> Any:
    import altair as alt

    rows = [
        {
            "x": at,
            "difference": 100 * one.difference,
            "low": 100 * one.ci95[0],
            "high": 100 * one.ci95[1],
        }
        for at, one in zip(_places(curve), curve.differences, strict=True)
    ]
    base = alt.Chart({"values": rows}).encode(x=x)
    title = "Difference, points"
    band = base.mark_area(color=COLOURS[0], opacity=0.18).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q"
    )
    line = base.mark_line(color=COLOURS[0], strokeWidth=1.8, point=True).encode(
        y=alt.Y("difference:Q", title=title)
    )
    zero = (
        alt.Chart({"values": [{"y": 0}]})
        .mark_rule(color=INK, strokeDash=[4, 3])
        .encode(y=alt.Y("y:Q", title=title))
    )
    return alt.layer(band, zero, line).properties(width=WIDTH, height=HEIGHT // 2)


def _colour(curve: Curve) -> Any:
    import altair as alt

    shown = list(names(curve))
    scale = alt.Scale(domain=shown, range=list(COLOURS[: len(shown)]))
    legend = alt.Legend(title=None, orient="top") if len(shown) > 1 else None
    return alt.Color("model:N", scale=scale, legend=legend)


def _x(curve: Curve) -> Any:
    import altair as alt

    if curve.along == "steps":
        axis = alt.Axis(values=_places(curve), labelOverlap=True)
        title = "Steps of PGD (0: without an attack)"
        return alt.X("x:Q", title=title, axis=axis, scale=alt.Scale(type="symlog", nice=False))
    unit = " in 1/255" if _in_pixels(curve) else ""
    scale = alt.Scale(nice=False, zero=True)
    return alt.X("x:Q", title=f"eps{unit}, {curve.norm} (0: without an attack)", scale=scale)


def _places(curve: Curve) -> list[float]:
    """Where each point lies on the x axis."""
    scale = 255 if curve.along == "eps" and _in_pixels(curve) else 1
    return [float(scale * parse(point.at_text)) for point in curve.series[0].points]


def _in_pixels(curve: Curve) -> bool:
    """Whether every eps is a whole number of levels of 8 bits."""
    radii = [Fraction(255) * parse(point.at_text) for point in curve.series[0].points]
    return curve.norm == "Linf" and all(radius.denominator == 1 for radius in radii)


def _title(curve: Curve) -> str:
    data = curve.series[0].data
    what = names(curve)[0] if len(curve.series) == 1 else "Accuracy"
    return f"{what} on {data.n} images of {data.name} ({data.split})"


def _remarks(curve: Curve) -> list[str]:
    """What stands under the title: the attack, the checks, the flags."""
    ball = f", {curve.norm} eps {curve.eps_text}" if curve.along == "steps" else ""
    lines = [f"{curve.attack}{ball}; bars: 95 % intervals of single points"]
    if curve.differences:
        a, b = names(curve)
        lines.append(f"below: {a} minus {b}, band: 95 %, paired, point by point")
    for name, series in zip(names(curve), curve.series, strict=True):
        said = [_check(series)] + [f"flag {flag.code}" for flag in series.flags]
        prefix = f"{name}: " if len(curve.series) > 1 else ""
        lines += [f"{prefix}{'; '.join(part for part in said if part)}"] if any(said) else []
    return lines


def _check(series: CurveSeries) -> str:
    check = series.check
    if check is None:
        return "no check at a large eps"
    share = percent(check.standing / len(series.fell))
    return f"check at eps {check.eps_text}: {share} % stand"
