"""Plots for the page, by plotly. Colours of text and lines come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import singledispatch
from html import escape
from typing import Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from redditgnn.report.plots import (
    COLOUR_SCALE,
    GREY,
    Curve,
    Curves,
    Grid,
    Line,
    Plot,
    Scatter,
    Series,
)

UNUSED = ("lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d")
CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["sendChartToCloud", *UNUSED],
}
LEGEND_ROW = 21  # pixels
POINTS_OF_A_LINE = 25  # so that the pointer meets one wherever it is


def plotly_js() -> str:
    """Return plotly.js, for a script element."""
    return str(get_plotlyjs())


def html_of(plot: Plot) -> str:
    """Return the element and the script that draw `plot`; the page needs `plotly_js` before it."""
    text = plotly.io.to_html(
        figure_of(plot),
        config=CONFIG,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"plot-{plot.slug}",
        default_height=f"{_height(plot)}px",
    )
    return str(text)


def figure_of(plot: Plot) -> go.Figure:
    """Draw `plot`."""
    figure = go.Figure(_traces(plot), layout=_layout(plot))
    figure.update_xaxes(title=plot.x_title, automargin=True, showline=True, ticks="outside")
    figure.update_yaxes(title=plot.y_title, automargin=True, ticks="outside")
    if isinstance(plot, Scatter):
        figure.update_xaxes(**_cost_axis(plot))
    if isinstance(plot, (Scatter, Curves)):
        figure.update_yaxes(range=list(plot.score_range))
    if isinstance(plot, Grid):
        figure.update_xaxes(type="category", showgrid=False, zeroline=False)
        figure.update_yaxes(type="category", showgrid=False, zeroline=False, autorange="reversed")
    return figure


def _layout(plot: Plot) -> dict[str, Any]:
    return {
        "template": go.layout.Template(),  # empty, as plotly's own has seven thousand characters
        "height": _height(plot),
        "margin": {"l": 16, "r": 16, "t": 36, "b": 16},  # the top is for plotly's buttons
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        "showlegend": not isinstance(plot, Grid),
    }


def _height(plot: Plot) -> int:
    if isinstance(plot, Grid):
        return 150 + max(44 * len(plot.rows), 130)
    entries = len(plot.series) if isinstance(plot, Scatter) else len(_curves(plot))
    return 400 + LEGEND_ROW * (entries // 2)


def _curves(plot: Plot) -> list[Curve]:
    return plot.curves if isinstance(plot, Curves) else []


def _cost_axis(plot: Scatter) -> dict[str, Any]:
    if not plot.is_logarithmic:
        return {"range": list(plot.ends)}
    ends = [math.log10(end) for end in plot.ends]
    names = [f"{tick:g}" for tick in plot.ticks]
    return {"type": "log", "range": ends, "tickvals": plot.ticks, "ticktext": names}


@singledispatch
def _traces(plot: Plot) -> list[go.Scatter | go.Heatmap]:
    raise TypeError(plot)


@_traces.register
def _(plot: Scatter) -> list[go.Scatter | go.Heatmap]:
    front = go.Scatter(
        x=[x for x, _ in plot.front],
        y=[y for _, y in plot.front],
        mode="lines",
        name="Pareto front",
        line={"color": GREY, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    lines = [_line(line, plot, place == 0) for place, line in enumerate(plot.lines)]
    return [front, *lines, *map(_series, plot.series), *_ring(plot)]


def _series(series: Series) -> go.Scatter:
    spreads = [point.spread for point in series.points]
    return go.Scatter(
        x=[point.x for point in series.points],
        y=[point.y for point in series.points],
        error_y={"array": spreads, "thickness": 1, "width": 3} if any(spreads) else None,
        mode="markers",
        name=escape(series.name),
        marker={"color": series.colour, "symbol": series.symbol, "size": 10},
        hovertext=[_hover_html(point.lines) for point in series.points],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _ring(plot: Scatter) -> list[go.Scatter]:
    if plot.best is None:
        return []
    ring = go.Scatter(
        x=[plot.best.x],
        y=[plot.best.y],
        mode="markers",
        name="best by validation",
        marker={"color": GREY, "symbol": "circle-open", "size": 19, "line": {"width": 2}},
        hoverinfo="skip",
    )
    return [ring]


def _line(line: Line, plot: Scatter, has_legend: bool) -> go.Scatter:
    start, end = plot.ends
    steps = [step / (POINTS_OF_A_LINE - 1) for step in range(POINTS_OF_A_LINE)]
    if plot.is_logarithmic:
        costs = [start * (end / start) ** step for step in steps]
    else:
        costs = [start + (end - start) * step for step in steps]
    return go.Scatter(
        x=costs,
        y=[line.y] * len(costs),
        mode="lines",
        name="published",
        showlegend=has_legend,
        legendgroup="published",
        line={"color": line.colour, "width": 1, "dash": "dash"},
        opacity=0.7,
        hovertext=_hover_html((line.name, line.text)),
        hovertemplate="%{hovertext}<extra></extra>",
    )


@_traces.register
def _(plot: Curves) -> list[go.Scatter | go.Heatmap]:
    return [trace for curve in plot.curves for trace in _curve(curve, plot.x_title)]


def _curve(curve: Curve, x_title: str) -> list[go.Scatter]:
    name = escape(curve.name)
    mean = go.Scatter(
        x=curve.x,
        y=curve.mean,
        mode="lines" if len(curve.x) > 1 else "markers",
        name=name,
        legendgroup=name,
        line={"color": curve.colour, "width": 2},
        hovertemplate=f"{name}<br>{x_title} %{{x}}: %{{y:.2f}} %<extra></extra>",
    )
    band = go.Scatter(
        x=[*curve.x, *reversed(curve.x)],
        y=[*curve.high, *reversed(curve.low)],
        fill="toself",
        fillcolor=_transparent(curve.colour),
        line={"width": 0},
        mode="lines",
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    return [band, mean] if curve.low else [mean]


@_traces.register
def _(plot: Grid) -> list[go.Scatter | go.Heatmap]:
    heat_map = go.Heatmap(
        x=plot.columns,
        y=plot.rows,
        z=plot.values,
        text=[["" if v is None else f"{v:.1f}" for v in line] for line in plot.values],
        texttemplate="%{text}" if plot.has_numbers else None,
        customdata=[[_hover_html(text.split("\n")) for text in line] for line in plot.texts],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        colorscale=COLOUR_SCALE,
        showscale=not plot.has_numbers,
        zmin=plot.low,
        zmax=plot.high,
        xgap=2,
        ygap=2,
    )
    return [heat_map]


def _hover_html(lines: Sequence[str]) -> str:
    head, *rest = map(escape, lines)
    return "<br>".join([f"<b>{head}</b>", *rest])


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
