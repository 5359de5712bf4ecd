"""Plots without a library: values in the units of the axes, names, and one sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

# Okabe and Ito's palette without black and yellow, which vanish on dark or light backgrounds.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star")
GREY = "#8C8C8C"  # for everything that is not data
COLOUR_SCALE = "cividis"
MOST_NUMBERS = 150  # a grid with more cells has no room for their numbers
LOGARITHMIC_FROM = 5.0  # ratio of the largest to the smallest cost
OUTLIER_FROM = 3.0  # distance below the highest score, in that of the median


class Point(NamedTuple):
    """A configuration; `spread` is a standard deviation of y, `lines` the text beside it."""

    x: float
    y: float
    spread: float | None
    lines: tuple[str, ...]


class Series(NamedTuple):
    """Points of one legend entry."""

    name: str
    colour: str
    symbol: str
    points: list[Point]


class Line(NamedTuple):
    """A horizontal line at a published number."""

    name: str
    y: float
    colour: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The base of all plots; `slug` is the name of its files."""

    slug: str
    title: str
    sentence: str
    x_title: str
    y_title: str


@dataclass(frozen=True, kw_only=True)
class Scatter(Plot):
    """Scores against a cost, of at least one point; `front` goes from cheap to good."""

    higher_is_better: bool
    series: list[Series]
    best: Point | None
    front: list[tuple[float, float]]
    lines: list[Line]

    @property
    def points(self) -> list[Point]:
        """The points of all series."""
        return [point for series in self.series for point in series.points]

    @property
    def is_logarithmic(self) -> bool:
        """Whether costs differ so much that a linear axis would hide small ones."""
        costs = [point.x for point in self.points]
        return max(costs) / min(costs) > LOGARITHMIC_FROM

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the cost axis."""
        costs = [point.x for point in self.points]
        if self.is_logarithmic:
            return min(costs) / 1.3, max(costs) * 1.3
        pad = 0.08 * (max(costs) - min(costs)) or 0.1 * max(costs)
        return min(costs) - pad, max(costs) + pad

    @property
    def score_range(self) -> tuple[float, float]:
        """The ends of the score axis, which low outliers do not stretch."""
        scores = [point.y for point in self.points] + [line.y for line in self.lines]
        low, high = contested_range(scores) if self.higher_is_better else (min(scores), max(scores))
        low = min(low, self.best.y if self.best else max(point.y for point in self.points))
        bars = [point.spread or 0.0 for point in self.points if point.y >= low]
        pad = max(0.05 * (high - low), *bars) or 1.0
        return low - pad, high + pad

    @property
    def num_below(self) -> int:
        """The number of points below the score axis."""
        return sum(point.y < self.score_range[0] for point in self.points)

    @property
    def ticks(self) -> list[float]:
        """Marks of a logarithmic axis: 1, 2 and 5 times powers of ten."""
        start, end = self.ends
        decades = range(math.floor(math.log10(start)), math.ceil(math.log10(end)))
        ticks = (float(f"{first}e{decade}") for decade in decades for first in (1, 2, 5))
        return [tick for tick in ticks if start <= tick <= end]


class Curve(NamedTuple):
    """Mean over seeds at each `x`; `low` and `high` are empty for a single seed."""

    name: str
    colour: str
    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True, kw_only=True)
class Curves(Plot):
    """Scores by epoch, or by age of the model."""

    curves: list[Curve]

    @property
    def score_range(self) -> tuple[float, float]:
        """The ends of the score axis: early epochs may lie below, no curve does as a whole."""
        low, high = contested_range([score for curve in self.curves for score in curve.mean])
        low = min(low, *(max(curve.mean) for curve in self.curves))
        high = max(high, *(max(curve.high, default=high) for curve in self.curves))
        pad = 0.05 * (high - low) or 1.0
        return low - pad, high + pad


@dataclass(frozen=True, kw_only=True)
class Grid(Plot):
    """A table in colours from `low` to `high`; a value is None if nothing ran there."""

    columns: list[str]
    rows: list[str]
    values: list[list[float | None]]
    texts: list[list[str]]
    low: float
    high: float

    @property
    def has_numbers(self) -> bool:
        """Whether each cell shows its number."""
        return len(self.columns) * len(self.rows) <= MOST_NUMBERS


class Missing(NamedTuple):
    """A plot that cannot be drawn, and why."""

    title: str
    why: str


def slug_of(*parts: str) -> str:
    """Join `parts` to a name for files and elements."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-") for part in parts if part)


def contested_range(scores: Sequence[float]) -> tuple[float, float]:
    """Return the range of `scores` without outliers far below most of them."""
    high = max(scores)
    return max(min(scores), high - OUTLIER_FROM * (high - median(scores))), high


def pareto_front(
    points: Sequence[tuple[float, float]], merit: Callable[[float], float]
) -> list[tuple[float, float]]:
    """Return the (cost, score) pairs for which no cheaper pair is as good, ordered by cost.

    `merit` is higher for a better score.
    """
    front: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -merit(point[1]))):
        if not front or merit(score) > merit(front[-1][1]):
            front.append((cost, score))
    return front
