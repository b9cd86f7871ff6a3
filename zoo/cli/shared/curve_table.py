"""How people see a curve: a table, a row a point, and what to know when reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from eval.arguments import as_options
from eval.report.percent import percent, percent_range, signed_points
from zoo.cli.shared.columns import TableColumn
from zoo.cli.shared.console import stdout
from zoo.cli.shared.table import print_table

if TYPE_CHECKING:
    from rich.console import Console

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
    if len(curve.series) == 1:
        _print_one(curve, console)
    else:
        _print_two(curve, console)
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


def _print_one(curve: Curve, console: Console) -> None:
    names = ("accuracy", "95 % interval", "attacked", "broken", "passes / image", "seconds")
    rows = []
    for point in curve.series[0].points:
        passes = (point.forwards + point.backwards) / max(point.attacked, 1)
        work = (str(point.attacked), str(point.broken), f"{passes:,.0f}", f"{point.seconds:.1f}")
        share, interval = _share(point)
        measured = work if point.protocol else ("",) * len(work)
        rows.append((point.at_text, f"{share} %", interval, *measured))
    columns = (TableColumn(curve.along), *(TableColumn(name, is_right=True) for name in names))
    print_table(columns, rows, console)


def _print_two(curve: Curve, console: Console) -> None:
    columns = (
        TableColumn(curve.along, importance=0),
        TableColumn("A, %", is_right=True, importance=1),
        TableColumn("interval of A", "95 % interval", is_right=True, importance=5),
        TableColumn("B, %", is_right=True, importance=2),
        TableColumn("interval of B", "95 % interval", is_right=True, importance=6),
        TableColumn("A - B", is_right=True, importance=3),
        TableColumn("interval of A - B", "95 %, paired", is_right=True, importance=4),
    )
    rows = []
    for a, b, gap in zip(*(s.points for s in curve.series), curve.differences, strict=True):
        paired = " to ".join(map(signed_points, gap.ci95))
        rows.append((a.at_text, *_share(a), *_share(b), signed_points(gap.difference), paired))
    print_table(columns, rows, console)


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
