"""Scores against seconds and against memory: one plot for each device, as costs do not compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redditgnn.graph.fingerprint import short_hash
from redditgnn.report.cells import mean_and_spread, score_name
from redditgnn.report.grouping import Configuration, Cost, Group
from redditgnn.report.plots import (
    PALETTE,
    SYMBOLS,
    Line,
    Missing,
    Point,
    Scatter,
    Series,
    pareto_front,
    slug_of,
)
from redditgnn.report.published import PublishedScore
from redditgnn.report.settings import describe_settings

MOST_BARS = 40  # bars of more points would cover each other


class Axis(NamedTuple):
    """A cost to draw against."""

    name: str
    slug: str
    title: str
    statistic: str


SECONDS = Axis(
    "time per epoch", "time", "seconds per epoch", "median over epochs and runs, without evaluation"
)
MEMORY = Axis("peak memory", "memory", "peak memory, MiB", "median over runs")


@dataclass(frozen=True)
class Palette:
    """The colour of each model and the symbol of each sampler of a group."""

    models: list[str]
    samplers: list[str]

    @classmethod
    def for_configurations(cls, configurations: Sequence[Configuration]) -> Palette:
        """Order the names alphabetically, so that the plots of a group agree."""
        return cls(
            sorted({c.model for c in configurations}), sorted({c.sampler for c in configurations})
        )

    def colour(self, model: str) -> str:
        return PALETTE[self.models.index(model) % len(PALETTE)]

    def symbol(self, model: str, sampler: str) -> str:
        """Return the sampler's symbol, another one if the colour of `model` repeats."""
        again = self.models.index(model) // len(PALETTE) * 3
        return SYMBOLS[(self.samplers.index(sampler) + again) % len(SYMBOLS)]


def scatters_of(
    group: Group, keys: Sequence[str], published: Sequence[PublishedScore]
) -> Iterator[Scatter | Missing]:
    """Yield the plot against time for each device, then those against memory."""
    for axis in (SECONDS, MEMORY):
        for device in group.devices:
            yield _build_scatter(group, keys, published, axis, device)


def _build_scatter(
    group: Group, keys: Sequence[str], published: Sequence[PublishedScore], axis: Axis, device: str
) -> Scatter | Missing:
    points: dict[tuple[str, str], list[Point]] = {}
    best: Point | None = None
    with_bars = len(group.scored) <= MOST_BARS
    memories = set()
    for c in group.scored:
        cost = next((cost for cost in c.costs if cost.device_name == device), None)
        point = _build_point(c, cost, axis, keys, with_bars) if cost else None
        if cost is None or point is None:
            continue
        memories.add(cost.memory)
        points.setdefault(c.names, []).append(point)
        best = point if c is group.best else best
    title = f"Test {score_name(group)} against {axis.name}"
    if not points:
        return Missing(title, f"no completed run on {device} recorded its {axis.name}")
    palette = Palette.for_configurations(group.scored)
    series = [
        Series(", ".join(names), palette.colour(names[0]), palette.symbol(*names), of_names)
        for names, of_names in sorted(points.items())
    ]
    coordinates = [(point.x, point.y) for one in series for point in one.points]
    front = pareto_front(coordinates)
    unit = f" ({' and '.join(sorted(memories))})" if axis is MEMORY else ""
    suffix = short_hash(device) if len(group.devices) > 1 else ""
    return Scatter(
        slug=slug_of(group.name, axis.slug, suffix),
        title=title,
        sentence=_describe(
            group, axis, device, len(coordinates), len(front), with_bars, bool(published)
        ),
        x_title=axis.title + unit,
        y_title=f"test {score_name(group)}, %",
        series=series,
        best=best,
        front=front,
        lines=[_build_line(score, palette) for score in published],
    )


def _build_point(
    c: Configuration, cost: Cost, axis: Axis, keys: Sequence[str], with_bars: bool
) -> Point | None:
    x = cost.epoch_s if axis is SECONDS else cost.peak_mib
    sample = c.sample("test_micro_f1")
    if x is None or x <= 0 or sample is None:
        return None
    spread = sample.deviation if with_bars else None
    lines = (
        f"{c.model}, {c.sampler}" + (f" ({c.experiment})" if c.experiment else ""),
        describe_settings(c, keys),
        f"test {mean_and_spread(sample)} %, n={sample.runs}",
        f"val {mean_and_spread(c.sample('val_micro_f1'))} %",
        "" if cost.epoch_s is None else f"{cost.epoch_s:.3g} s/epoch",
        "" if cost.peak_mib is None else f"{cost.peak_mib:,.0f} MiB ({cost.memory})",
    )
    return Point(
        x=x,
        y=100 * sample.mean,
        spread=None if spread is None else 100 * spread,
        lines=tuple(line for line in lines if line),
    )


def _build_line(published: PublishedScore, palette: Palette) -> Line:
    return Line(
        name=f"published: {published.experiment}",
        y=float(published.target.percent),
        colour=palette.colour(published.model),
        text=published.description,
    )


def _describe(
    group: Group,
    axis: Axis,
    device: str,
    num_points: int,
    num_front: int,
    with_bars: bool,
    has_lines: bool,
) -> str:
    """Describe the plot, and its bars and lines if it has any."""
    count = f"{num_points} configuration{'s' * (num_points != 1)}"
    return (
        f"Mean test {score_name(group)} of {count} of {group.name} against {axis.name} "
        f"({axis.statistic}) on {device}; {num_front} on the Pareto front (grey steps: nothing "
        "cheaper is as good), the best by validation in a ring"
        + ("; bars are one standard deviation over seeds" if with_bars else "")
        + ("; dashed lines are published values, in the colour of the model" if has_lines else "")
        + "."
    )
