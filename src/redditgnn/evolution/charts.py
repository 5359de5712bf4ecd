"""Curves over the snapshots as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from redditgnn.evolution.pictures import colour_of

WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 320, 170, 46, 24, 8
MOST_TICKS = 10


class Series(NamedTuple):
    """A line of a chart. None is a gap."""

    name: str
    values: Sequence[float | None]


def chart(series: Sequence[Series], title: str, place: str = "snapshot") -> str:
    """Return lines with an axis of values and one of numbers, which count a `place`."""
    values = [v for line in series for v in line.values if v is not None]
    ticks = nice_ticks(min(values, default=0.0), max(values, default=1.0))
    count = max(len(line.values) for line in series)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        *_axes(ticks, count),
    ]
    for number, line in enumerate(series):
        parts += _line(line, colour_of(number), ticks, count, place)
    return "\n".join([*parts, "</svg>"])


def nice_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers around all values."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** np.floor(np.log10(span))
    step = next(power * f for f in (0.2, 0.5, 1.0, 2.0, 5.0) if span / (power * f) <= 4)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [float(number * step) for number in np.arange(first, max(last, first + 1) + 1)]


def _x(number: int, count: int) -> float:
    inside = WIDTH - LEFT - 2 * MARGIN
    return LEFT + MARGIN + inside * (number / (count - 1) if count > 1 else 0.5)


def _y(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - MARGIN)


def _axes(ticks: Sequence[float], count: int) -> Iterator[str]:
    for tick in ticks:
        y = _y(tick, ticks)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>'
    for number in range(0, count, -(-count // MOST_TICKS)):
        x, y = _x(number, count), HEIGHT - 6
        yield f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{number + 1}</text>'


def _line(
    line: Series, colour: str, ticks: Sequence[float], count: int, place: str
) -> Iterator[str]:
    points = [
        None if value is None else (_x(number, count), _y(value, ticks))
        for number, value in enumerate(line.values)
    ]
    drawn, pen = "", "M"
    for point in points:
        drawn += "" if point is None else f"{pen}{point[0]:.1f} {point[1]:.1f}"
        pen = "M" if point is None else "L"
    yield f'<path class="line" d="{drawn}" stroke="{colour}"/>'
    radius = 3.5 if count <= 30 else 1.8
    for number, (point, value) in enumerate(zip(points, line.values, strict=True)):
        if point is not None and value is not None:
            tip = escape(f"{line.name}\n{place} {number + 1}: {short(value)}")
            yield (
                f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}" fill="{colour}" '
                f'data-tip="{tip}"/>'
            )


def short(value: float) -> str:
    """Return a number in few characters."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit:
            divisor = 1e3 if letter == "k" else unit
            return f"{value / divisor:.4g}{letter}"
    return f"{value:.4g}"
