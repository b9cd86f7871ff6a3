"""The loss and the accuracies of a run as one SVG picture, drawn by Altair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.train.record.events import EpochResult

_SIZE = {"width": 350, "height": 180}
_LOSS_COLOUR = "#1f6feb"
_SERIES = {
    "training, robust": ("train_robust", "#1f6feb"),
    "held out, robust": ("valid_robust", "#d1242f"),
    "held out, clean": ("valid_clean", "#1a7f37"),
    "training, clean": ("train_clean", "#8250df"),
}
"""What is drawn of the accuracies: of which field of the log, in which colour."""


def draw(log: Sequence[EpochResult], title: str) -> str:
    """An SVG document with two charts over the epochs: the loss, and the accuracies in per cent.

    What was not measured, or is no finite number, is left out. The same log and title give the
    same bytes with the same version of vl-convert-python.
    """
    import altair
    import vl_convert

    charts = altair.hconcat(_losses(log), _accuracies(log), spacing=30)
    charts = charts.resolve_scale(color="independent").configure_view(stroke=None)
    charts = charts.properties(title=altair.Title(title, anchor="start"))
    svg: str = vl_convert.vegalite_to_svg(charts.to_dict())
    return svg.rstrip("\n") + "\n"


def _losses(log: Sequence[EpochResult]) -> Any:
    import altair as alt

    data = alt.InlineData(
        values=[{"epoch": e.epoch, "value": e.loss} for e in log if math.isfinite(e.loss)]
    )
    y = alt.Y("value:Q", title="training loss", scale=alt.Scale(zero=True, nice=True))
    points = alt.OverlayMarkDef(color=_LOSS_COLOUR)
    line = alt.Chart(data).mark_line(point=points, color=_LOSS_COLOUR)
    return line.encode(x=_epochs(log), y=y).properties(**_SIZE)


def _accuracies(log: Sequence[EpochResult]) -> Any:
    import altair as alt

    found = [
        {"epoch": entry.epoch, "value": 100 * share, "series": name}
        for name, (field, _) in _SERIES.items()
        for entry in log
        if (share := getattr(entry, field)) is not None and math.isfinite(share)
    ]
    names = [name for name in _SERIES if any(row["series"] == name for row in found)]
    colours = alt.Scale(domain=names, range=[_SERIES[name][1] for name in names])
    legend = alt.Legend(title=None, orient="bottom", symbolType="stroke")
    line = alt.Chart(alt.InlineData(values=found)).mark_line(point=True)
    return line.encode(
        x=_epochs(log),
        y=alt.Y("value:Q", title="accuracy, %", scale=alt.Scale(domain=[0, 100])),
        color=alt.Color("series:N", scale=colours, legend=legend),
    ).properties(**_SIZE)


def _epochs(log: Sequence[EpochResult]) -> Any:
    """The axis of both charts, of whole epochs from the first to the last one."""
    import altair as alt

    epochs = [entry.epoch for entry in log] or [1]
    first, last = min(epochs), max(epochs)
    ticks = sorted({first + i * (last - first) // 4 for i in range(5)})
    axis = alt.Axis(format="d", values=ticks, grid=False)
    return alt.X("epoch:Q", title="epoch", axis=axis, scale=alt.Scale(zero=False, nice=False))
