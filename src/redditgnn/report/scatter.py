"""Scores against seconds and against memory, a plot a device: costs of several do not compare."""

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
from redditgnn.report.published import Published
from redditgnn.report.settings import told

MOST_BARS = 40  # of so many points the bars of the spread can still be told apart


class Axis(NamedTuple):
    """A cost to draw against."""

    name: str
    slug: str
    title: str
    told: str


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
    def of(cls, configurations: Sequence[Configuration]) -> Palette:
        """Give the names places in alphabetical order, so that plots of a group agree."""
        return cls(
            sorted({c.model for c in configurations}), sorted({c.sampler for c in configurations})
        )

    def colour(self, model: str) -> str:
        return PALETTE[self.models.index(model) % len(PALETTE)]

    def symbol(self, model: str, sampler: str) -> str:
        """Return the sampler's symbol, shifted where colours come round again."""
        again = self.models.index(model) // len(PALETTE) * 3
        return SYMBOLS[(self.samplers.index(sampler) + again) % len(SYMBOLS)]


def scatters_of(
    group: Group, named: Sequence[str], published: Sequence[Published]
) -> Iterator[Scatter | Missing]:
    """Yield for each device the plot against time, then that against memory."""
    for axis in (SECONDS, MEMORY):
        for device in group.devices:
            yield _scatter(group, named, published, axis, device)


def _scatter(
    group: Group, named: Sequence[str], published: Sequence[Published], axis: Axis, device: str
) -> Scatter | Missing:
    points: dict[tuple[str, str], list[Point]] = {}
    best: Point | None = None
    with_bars = len(group.scored) <= MOST_BARS
    memory = set()
    for c in group.scored:
        cost = next((cost for cost in c.costs if cost.device_name == device), None)
        point = _point(c, cost, axis, named, with_bars) if cost else None
        if cost is None or point is None:
            continue
        memory.add(cost.memory)
        points.setdefault(c.names, []).append(point)
        best = point if c is group.best else best
    title = f"Test {score_name(group)} against {axis.name}"
    if not points:
        return Missing(title, f"no completed run on {device} has recorded its {axis.name}")
    palette = Palette.of(group.scored)
    series = [
        Series(", ".join(names), palette.colour(names[0]), palette.symbol(*names), found)
        for names, found in sorted(points.items())
    ]
    shown = [(point.x, point.y) for found in points.values() for point in found]
    front = pareto_front(shown)
    of = f" ({' and '.join(sorted(memory))})" if axis is MEMORY else ""
    suffix = short_hash(device) if len(group.devices) > 1 else ""
    return Scatter(
        slug=slug_of(group.name, axis.slug, suffix),
        title=title,
        sentence=_sentence(group, axis, device, len(shown), len(front), with_bars, bool(published)),
        x_title=axis.title + of,
        y_title=f"test {score_name(group)}, %",
        series=series,
        best=best,
        front=front,
        lines=[_line(of_a_target, palette) for of_a_target in published],
    )


def _point(
    c: Configuration, cost: Cost, axis: Axis, named: Sequence[str], with_bars: bool
) -> Point | None:
    x = cost.epoch_s if axis is SECONDS else cost.peak_mib
    sample = c.sample("test_micro_f1")
    if x is None or x <= 0 or sample is None:
        return None
    spread = sample.deviation if with_bars else None
    lines = (
        f"{c.model}, {c.sampler}" + (f" ({c.experiment})" if c.experiment else ""),
        told(c, named),
        f"test {mean_and_spread(sample)} %, n={sample.runs}",
        f"val {mean_and_spread(c.sample('val_micro_f1'))} %",
        "" if cost.epoch_s is None else f"{cost.epoch_s:.3g} s/epoch",
        "" if cost.peak_mib is None else f"{cost.peak_mib:,.0f} MiB ({cost.memory})",
    )
    return Point(
        x=x,
        y=100 * sample.mean,
        spread=None if spread is None else 100 * spread,
        told=tuple(line for line in lines if line),
    )


def _line(published: Published, palette: Palette) -> Line:
    return Line(
        name=f"published: {published.experiment}",
        y=float(published.target.percent),
        colour=palette.colour(published.model),
        told=published.told,
    )


def _sentence(
    group: Group,
    axis: Axis,
    device: str,
    shown: int,
    on_front: int,
    with_bars: bool,
    has_lines: bool,
) -> str:
    """Describe the plot; its bars and lines only where they are."""
    count = f"{shown} configuration{'s' * (shown != 1)}"
    return (
        f"Mean test {score_name(group)} of {count} of {group.name} against {axis.name} "
        f"({axis.told}) on {device}; {on_front} on the Pareto front (grey steps: nothing "
        "cheaper is as good), the best by validation in a ring"
        + ("; bars are one standard deviation over seeds" if with_bars else "")
        + ("; dashed lines are published values, in the colour of the model" if has_lines else "")
        + "."
    )
