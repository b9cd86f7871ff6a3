"""What people are told of a curve, in words: headings, a row a point, the check.

The terminal and a notebook show the same, each in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.report.html import box, flags, line, table
from eval.report.percent import percent, percent_range, signed_points, signed_range

if TYPE_CHECKING:
    from eval.curves.curve import Curve
    from eval.curves.series import CurvePoint, CurveSeries


def curve_html(curve: Curve) -> str:
    """The same as the terminal shows of a curve, with its flags first."""
    said = [(prefix_of(curve, i), series) for i, series in enumerate(curve.series)]
    return box(
        *(line(heading(curve, series), name=f"{pre}{series.model.name}") for pre, series in said),
        *(flags(series.flags, pre) for pre, series in said),
        table(point_columns(curve), point_rows(curve)),
        *(line(f"{pre}{check_said(series)}") for pre, series in said),
        line(f"{sum(series.seconds for series in curve.series):.0f} s"),
    )


def prefix_of(curve: Curve, i: int) -> str:
    """How the lines of one of two models begin, "A: " or "B: "; those of one model do not."""
    return f"{'AB'[i]}: " if len(curve.series) > 1 else ""


def heading(curve: Curve, series: CurveSeries) -> str:
    """What was measured on what, after the model's name."""
    ball = f"{curve.norm} eps {curve.eps_text}" if curve.along == "steps" else curve.norm
    data, engine = curve.series[0].data, series.engine
    return (
        f" on {data.n} images of {data.name} ({data.split}), {ball}, {curve.attack}, engine"
        f" {engine.name} {engine.precision}"
    )


def point_columns(curve: Curve) -> tuple[str, ...]:
    """The heads of the table; of two models both beside each other."""
    if len(curve.series) > 1:
        interval = "95 % interval"
        return (curve.along, "A, %", interval, "B, %", interval, "A - B", "95 %, paired")
    work = ("attacked", "broken", "passes / image", "seconds")
    return (curve.along, "accuracy", "95 % interval", *work)


def point_rows(curve: Curve) -> list[tuple[str, ...]]:
    """A row a point, under `point_columns`."""
    if len(curve.series) > 1:
        pairs = zip(*(series.points for series in curve.series), curve.differences, strict=True)
        return [
            (
                a.at_text,
                *_share(a),
                *_share(b),
                signed_points(gap.difference),
                signed_range(*gap.ci95),
            )
            for a, b, gap in pairs
        ]
    rows: list[tuple[str, ...]] = []
    for point in curve.series[0].points:
        passes = (point.forwards + point.backwards) / max(point.attacked, 1)
        work = (str(point.attacked), str(point.broken), f"{passes:,.0f}", f"{point.seconds:.1f}")
        share, interval = _share(point)
        done = work if point.protocol else ("",) * len(work)
        rows.append((point.at_text, f"{share} %", interval, *done))
    return rows


def check_said(series: CurveSeries) -> str:
    """What the check at a large eps found, or that there was none."""
    check = series.check
    if check is None:
        return "what stands at the end was not attacked at a large eps, as a check"
    return (
        f"check at eps {check.eps_text}, where every image can be made plain grey:"
        f" {check.standing} of {len(series.fell)} stand"
    )


def _share(point: CurvePoint) -> tuple[str, str]:
    return percent(point.accuracy.accuracy), percent_range(*point.accuracy.ci95)
