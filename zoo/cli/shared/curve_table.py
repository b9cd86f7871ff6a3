"""How people see a curve: a table, a row a point, and what to know when reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from eval.arguments import as_options
from eval.report.percent import percent, percent_range, signed_points
from zoo.cli.shared.console import stdout

if TYPE_CHECKING:
    from eval.curves.curve import Curve
    from eval.curves.series import CurvePoint, CurveSeries


def print_curve(curve: Curve, written: Sequence[Path]) -> None:
    """The curve as a table on stdout; written: the files that hold it."""
    console = stdout()
    data = curve.series[0].data
    for which, series in zip("AB", curve.series, strict=False):
        prefix = f"{which}: " if len(curve.series) > 1 else ""
        console.print(
            Text(prefix) + Text(series.model.name, style="bold") + f" on {data.n} images of"
            f" {data.name} ({data.split}), {_attack(curve)}, engine {series.engine.name}"
            f" {series.engine.precision}"
        )
    console.print(_table(curve) if len(curve.series) == 1 else _two(curve))
    for which, series in zip("AB", curve.series, strict=False):
        prefix = f"{which}: " if len(curve.series) > 1 else ""
        console.print(Text(f"{prefix}{_check(series)}"))
        for flag in series.flags:
            said = Text(f"{prefix}flag {flag.code}:", style="yellow")
            console.print(said, as_options(flag.detail))
    seconds = sum(series.seconds for series in curve.series)
    files = f"; written to {' and '.join(map(str, written))}" if written else ""
    console.print(Text(f"{seconds:.0f} s{files}"), soft_wrap=True)  # a path stays whole


def _attack(curve: Curve) -> str:
    ball = f"{curve.norm} eps {curve.eps_text}" if curve.along == "steps" else curve.norm
    return f"{ball}, {curve.attack}"


def _table(curve: Curve) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(curve.along)
    for column in ("accuracy", "95 % interval", "attacked", "broken", "passes / image", "seconds"):
        table.add_column(column, justify="right")
    for point in curve.series[0].points:
        passes = (point.forwards + point.backwards) / max(point.attacked, 1)
        table.add_row(
            point.at_text,
            f"{percent(point.accuracy.accuracy)} %",
            percent_range(*point.accuracy.ci95),
            str(point.attacked) if point.protocol else "",
            str(point.broken) if point.protocol else "",
            f"{passes:,.0f}" if point.protocol else "",
            f"{point.seconds:.1f}" if point.protocol else "",
        )
    return table


def _two(curve: Curve) -> Table:
    """Both models on 80 columns."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(curve.along)
    for column in ("A, %", "95 % interval", "B, %", "95 % interval", "A - B", "95 %, paired"):
        table.add_column(column, justify="right")
    for a, b, gap in zip(*(s.points for s in curve.series), curve.differences, strict=True):
        low, high = gap.ci95
        table.add_row(
            a.at_text,
            *_share(a),
            *_share(b),
            signed_points(gap.difference),
            f"{signed_points(low)} to {signed_points(high)}",
        )
    return table


def _share(point: CurvePoint) -> tuple[str, str]:
    return percent(point.accuracy.accuracy), percent_range(*point.accuracy.ci95)


def _check(series: CurveSeries) -> str:
    check = series.check
    if check is None:
        return "what stands at the end was not attacked at a large eps, as a check"
    return (
        f"check at eps {check.eps_text}, where every image can be made plain grey:"
        f" {check.standing} of {len(series.fell)} stand"
    )
