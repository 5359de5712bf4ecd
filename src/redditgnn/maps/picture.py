"""A map as a picture for papers: PNG and SVG."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray

from redditgnn.maps.columns import Category, Column, Number
from redditgnn.maps.page import STEPS, Map, grid
from redditgnn.runtime.files import whole_file

MOST_PIXELS = 900  # of a side
PIXELS = 4  # of a side, for each unit of the root of the number of nodes
MOST_NAMES = 20  # in the legend
GREY = (0.55, 0.55, 0.55)


def raster(
    grid: UInt16[ndarray, "2 nodes"], colours: Float[ndarray, "nodes 3"]
) -> UInt8[ndarray, "rows columns 4"]:
    """Return the mean colour of the nodes in each pixel, the more opaque the more there are."""
    side = min(MOST_PIXELS, round(PIXELS * grid.shape[1] ** 0.5))
    x, y = (grid.astype(np.int64) * (side - 1)) // STEPS
    pixel, size = y * side + x, side * side
    number = np.bincount(pixel, minlength=size)
    image = np.zeros((size, 4))
    for channel in range(3):
        sums = np.bincount(pixel, weights=colours[:, channel], minlength=size)
        image[:, channel] = sums / np.maximum(number, 1)
    most = np.log1p(number.max())
    image[:, 3] = np.where(number > 0, 0.6 + 0.4 * np.log1p(number) / most, 0)
    return (image * 255).round().astype(np.uint8).reshape(side, side, 4)


def group_colour(code: int) -> tuple[float, float, float]:
    """Return the colour that the page gives to a group, in [0, 1]."""
    hue = (code * 137.508 + 215) % 360 / 360
    return colorsys.hls_to_rgb(hue, (0.5, 0.38, 0.64)[code % 3], 0.62)


def number_colour(share: float) -> tuple[float, float, float]:
    """Return the colour that the page gives to a number, by its place between the ends."""
    return colorsys.hls_to_rgb((250 - 200 * share) / 360, 0.42 + 0.14 * share, 0.7)


def css_colour(rgb: Sequence[float]) -> str:
    """Return a colour of components in [0, 1] as CSS has it."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def colours_of(column: Column) -> Float[ndarray, "nodes 3"]:
    """Return the colour of each node."""
    if isinstance(column, Category):
        return np.array([group_colour(code) for code in range(len(column.names))])[column.codes]
    share = _shares(column)
    palette = np.array([number_colour(step / 255) for step in range(256)])
    colours = palette[np.nan_to_num(share * 255).astype(int)]
    colours[~np.isfinite(share)] = GREY
    return colours


def _shares(column: Number) -> ndarray:
    values = np.where(np.isfinite(column.values), column.values, np.nan)
    if np.isnan(values).all():
        return values
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / ((high - low) or 1)


def write_pictures(content: Map, folder: Path) -> None:
    """Write map.png and map.svg, whose points are an image."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    image = raster(grid(content.positions), colours_of(content.column))
    axes.imshow(image, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(content.title, fontsize=9)
    _add_legend(axes, content.column)
    with mpl.rc_context({"svg.hashsalt": content.title, "svg.fonttype": "none"}):
        for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            with whole_file(folder / f"map.{ending}") as file:
                figure.savefig(file, format=ending, dpi=200, metadata=metadata)


def _add_legend(axes: object, column: Column) -> None:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    assert isinstance(axes, Axes)
    if isinstance(column, Number):
        shares = [0.0, 0.5, 1.0]
        low, high = np.nanmin(column.values), np.nanmax(column.values)
        entries = [(f"{low + s * (high - low):.4g}", number_colour(s)) for s in shares]
    else:
        sizes = np.bincount(column.codes, minlength=len(column.names))
        largest = np.argsort(-sizes, kind="stable")[:MOST_NAMES]
        entries = [(column.names[c], group_colour(int(c))) for c in largest if sizes[c]]
    handles = [
        Line2D([], [], marker="s", linestyle="", color=colour, label=name)
        for name, colour in entries
    ]
    axes.legend(
        handles=handles,
        title=column.name,
        fontsize=7,
        title_fontsize=8,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
