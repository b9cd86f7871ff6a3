"""The loss and the accuracies of a run as one SVG picture; no plotting library is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from zoo.train.events import EpochResult

_WIDTH, _HEIGHT, _MARGIN = 440, 260, 45
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df")
_STYLE = "font-family:sans-serif;font-size:12px"


@dataclass(frozen=True)
class _Line:
    name: str
    points: list[tuple[int, float]]


def draw(log: Sequence[EpochResult], title: str) -> str:
    """An SVG document with two charts over the epochs: the loss, and the accuracies in per cent."""
    loss = [_line("training loss", log, lambda e: e.loss)]
    accuracies = [
        _line("training, robust", log, lambda e: _percent(e.train_robust)),
        _line("held out, robust", log, lambda e: _percent(e.valid_robust)),
        _line("held out, clean", log, lambda e: _percent(e.valid_clean)),
        _line("training, clean", log, lambda e: _percent(e.train_clean)),
    ]
    top = max((value for _, value in loss[0].points), default=1.0)
    charts = _chart(loss, 0, top * 1.05) + _chart(accuracies, _WIDTH, 100.0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" height="{_HEIGHT + 30}"'
        f' style="{_STYLE}"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{escape(title)}</text>'
        f'<g transform="translate(0 20)">{charts}</g></svg>\n'
    )


def _line(
    name: str, log: Sequence[EpochResult], value: Callable[[EpochResult], float | None]
) -> _Line:
    found = [(entry.epoch, value(entry)) for entry in log]
    return _Line(name, [(epoch, number) for epoch, number in found if number is not None])


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _chart(lines: Sequence[_Line], left: int, top: float) -> str:
    last = max((epoch for line in lines for epoch, _ in line.points), default=1)

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - 1) / max(last - 1, 1)
        return (
            left + _MARGIN + across * (_WIDTH - 2 * _MARGIN),
            _HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN),
        )

    parts = [_axes(place, last, top)]
    drawn = [line for line in lines if line.points]
    for number, (line, colour) in enumerate(zip(drawn, _COLOURS, strict=False)):
        points = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line.points)
        x, y = left + _MARGIN + 98 * number, _HEIGHT - 6
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{x}" y="{y}" fill="{colour}">{line.name}</text>'
        )
    return "".join(parts)


def _axes(place: Callable[[float, float], tuple[float, float]], last: int, top: float) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(1, share * top)
        end, _ = place(last if last > 1 else 2, share * top)
        parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{share * top:.3g}</text>'
        )
    for epoch in sorted({1, (1 + last) // 2, last}):
        x, y = place(epoch, 0.0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{epoch}</text>')
    return "".join(parts)
