"""How the interval for the robust accuracy narrowed, as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import UsageError
from eval.files.border import plain
from eval.plots import check_plot
from eval.report.estimated import narrowing
from eval.report.percent import percent, percent_range
from eval.report.words import attack_of

if TYPE_CHECKING:
    from eval.protocols import Protocol
    from eval.report.report import Report

_MOST_POINTS = 1000
"""Of the plot: more than it has pixels."""

_BAND, _LINE = "#9ecae1", "#08519c"


def check_narrowing(plot: Path, protocol: Protocol) -> None:
    """Raises `UsageError` without an attack, of which nothing narrows, and as `check_plot`."""
    if not protocol.stages:
        raise UsageError(
            f"`plot` {plain(str(plot))} is to show how robust accuracy becomes known, and attack"
            f" {protocol.name!r} attacks nothing: leave it out, or name an attack"
        )
    check_plot(plot)


def narrowing_spec(report: Report) -> dict[str, Any]:
    """The Vega-Lite specification of the interval against the images attacked to the end."""
    n, trace = report.data.n, narrowing(report)
    step = max(1, len(trace) // _MOST_POINTS)
    shown = [*trace[::step], *trace[-1:]] if trace else []
    values = [{"done": m, "low": 100 * low / n, "high": 100 * high / n} for m, low, high in shown]
    x = {"field": "done", "type": "quantitative", "title": _what_is_counted(report)}
    scale = {"domain": [0, 100]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 480,
        "height": 280,
        "title": {"text": plain(report.model.name, 60), "subtitle": _finding(report)},
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "area", "color": _BAND, "interpolate": "step-after"},
                "encoding": {
                    "x": x,
                    "y": {
                        "field": "low",
                        "type": "quantitative",
                        "title": "robust accuracy, %",
                        "scale": scale,
                    },
                    "y2": {"field": "high"},
                },
            },
            *(
                {
                    "mark": {"type": "line", "color": _LINE, "interpolate": "step-after"},
                    "encoding": {"x": x, "y": {"field": end, "type": "quantitative"}},
                }
                for end in ("low", "high")
            ),
        ],
    }


def _what_is_counted(report: Report) -> str:
    after = report.estimate.after if report.estimate else None
    return f"survivors of {after}, attacked to the end" if after else "images attacked to the end"


def _finding(report: Report) -> str:
    n, estimate, robust = report.data.n, report.estimate, report.robust
    if estimate is None or robust is None:
        found = robust or report.clean
        return f"exact: {percent(found.accuracy)} % of {n} images, {attack_of(report)}"
    return (
        f"95 % sure: {percent_range(*estimate.full_run)} % of these {n} images, {attack_of(report)}"
    )
