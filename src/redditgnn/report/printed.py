"""Plots for papers, by matplotlib: PNG and SVG, one column wide, the same bytes each time."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from redditgnn.report.plots import COLOUR_SCALE, GREY, Curves, Grid, Plot, Scatter

WIDTH, HEIGHT = 3.4, 2.5  # inches: a column of two on a page
LEGEND_COLUMNS = {3: 11, 2: 24}  # columns: characters of the longest name that fits
LONGEST_LINE = 57  # characters of a legend of one column
EXTRA_ENTRIES = ("published", "Pareto front", "best by validation")  # of a legend
ROW = 0.14  # inches of a line of the legend, or of a row of a grid
STYLE: Any = {
    "font.size": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "text.parse_math": False,  # a name may have a dollar sign
    "svg.hashsalt": "redditgnn",  # element names are random otherwise
}
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "triangle-down": "v",
    "star": "*",
}
FORMATS = {"png": {"Software": None}, "svg": {"Date": None}}  # no time, no version


def files_of_plot(plot: Plot) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the PNG and the SVG file."""
    with figure_of(plot) as figure:
        for kind, metadata in FORMATS.items():
            content = BytesIO()
            figure.savefig(content, format=kind, dpi=300, metadata=metadata)
            yield f"{plot.slug}.{kind}", content.getvalue()


@contextmanager
def figure_of(plot: Plot) -> Iterator[Figure]:
    """Draw `plot`; the style applies inside the context."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, _height(plot)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set(xlabel=plot.x_title, ylabel=plot.y_title)
        _draw(plot, axes)
        if not isinstance(plot, Grid):
            figure.legend(loc="outside lower center", ncols=_legend_columns(plot))
        yield figure


def _height(plot: Plot) -> float:
    if isinstance(plot, Grid):
        return 0.8 + max(2 * ROW * len(plot.rows), 0.6)
    return HEIGHT + ROW * _legend_rows(plot)


def _legend_columns(plot: Plot) -> int:
    """Return how many columns fit, given the longest name."""
    longest = max(map(len, _names(plot)), default=0)
    return next((columns for columns, most in LEGEND_COLUMNS.items() if longest <= most), 1)


def _legend_rows(plot: Plot) -> int:
    extra = len(EXTRA_ENTRIES) if isinstance(plot, Scatter) else 0
    lines = sum(_wrap(name).count("\n") + 1 for name in _names(plot))
    return math.ceil((lines + extra) / _legend_columns(plot))


def _names(plot: Plot) -> list[str]:
    if isinstance(plot, Scatter):
        return [series.name for series in plot.series]
    return [curve.name for curve in plot.curves] if isinstance(plot, Curves) else []


def _wrap(name: str) -> str:
    return textwrap.fill(name, LONGEST_LINE)


@singledispatch
def _draw(plot: Plot, axes: Axes) -> None:
    raise TypeError(plot)


@_draw.register
def _(plot: Scatter, axes: Axes) -> None:
    for line in plot.lines:
        axes.axhline(line.y, color=line.colour, linestyle="--", linewidth=0.6, alpha=0.7, zorder=1)
    if plot.lines:
        axes.plot([], [], color=GREY, linestyle="--", linewidth=0.6, label=EXTRA_ENTRIES[0])
    costs, scores = zip(*plot.front, strict=True)
    axes.step(costs, scores, where="post", color=GREY, label=EXTRA_ENTRIES[1], zorder=2)
    for series in plot.series:
        x, y, spread, _ = zip(*series.points, strict=True)
        axes.errorbar(
            x,
            y,
            yerr=[value or 0 for value in spread] if any(spread) else None,
            fmt=MARKERS[series.symbol],
            color=series.colour,
            markersize=4,
            elinewidth=0.6,
            capsize=1.5,
            label=_wrap(series.name),
            zorder=3,
        )
    if plot.best is not None:
        axes.plot(
            plot.best.x,
            plot.best.y,
            "o",
            markersize=8,
            markerfacecolor="none",
            color=GREY,
            linestyle="none",
            label=EXTRA_ENTRIES[2],
        )
    if plot.is_logarithmic:
        axes.set_xscale("log")
        axes.set_xticks(plot.ticks, [f"{tick:g}" for tick in plot.ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(*plot.ends)
    axes.set_ylim(*plot.score_range)


@_draw.register
def _(plot: Curves, axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(*plot.score_range)
    for curve in plot.curves:
        axes.plot(curve.x, curve.mean, color=curve.colour, label=_wrap(curve.name))
        if curve.low:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=curve.colour, alpha=0.18, linewidth=0
            )


@_draw.register
def _(plot: Grid, axes: Axes) -> None:
    values = np.array(plot.values, dtype=float)  # None becomes NaN and stays empty
    image = axes.imshow(values, cmap=COLOUR_SCALE, aspect="auto", vmin=plot.low, vmax=plot.high)
    axes.set_xticks(range(len(plot.columns)), plot.columns)
    axes.set_yticks(range(len(plot.rows)), plot.rows)
    if not plot.has_numbers:
        axes.figure.colorbar(image)
        return
    middle = (plot.low + plot.high) / 2
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value <= middle else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)
