"""Scores against seconds and against memory: one plot for each device, as costs do not compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    with_bars = len(group.scored) <= MOST_BARS
    costs = [(c, cost) for c in group.scored for cost in c.costs if cost.device_name == device]
    points = [
        (c, point)
        for c, cost in costs
        if (point := _build_point(group, c, cost, axis, keys, with_bars))
    ]
    where = f" on {device}" if len(group.devices) > 1 else ""
    title = f"Test {score_name(group)} against {axis.name}{where}"
    if not points:
        return Missing(title, f"no completed run on {device} recorded its {axis.name}")
    palette = Palette.for_configurations(group.scored)
    memories = sorted({cost.memory for _, cost in costs if cost.peak_mib})
    plot = Scatter(
        slug=slug_of(group.name, axis.slug, _device_slug(group, device)),
        title=title,
        sentence="",
        x_title=axis.title + (f" ({' and '.join(memories)})" if axis is MEMORY else ""),
        y_title=f"test {score_name(group)}, %",
        series=_build_series(points, palette),
        best=next((point for c, point in points if c is group.best), None),
        front=pareto_front([(point.x, point.y) for _, point in points], group.metric.merit),
        higher_is_better=group.metric.higher_is_better,
        lines=[_build_line(score, palette) for score in published],
    )
    return replace(plot, sentence=_describe(plot, group, axis, device, with_bars))


def _device_slug(group: Group, device: str) -> str:
    """Return a readable name for files, with a hash if two devices have the same; '' for one."""
    if len(group.devices) == 1:
        return ""
    slugs = [slug_of(other) for other in group.devices]
    slug = slug_of(device)
    return slug if slugs.count(slug) == 1 else f"{slug}-{short_hash(device)}"


def _build_series(points: Sequence[tuple[Configuration, Point]], palette: Palette) -> list[Series]:
    """Sort the points by model and sampler, which have one legend entry together."""
    by_names: dict[tuple[str, str], list[Point]] = {}
    for c, point in points:
        by_names.setdefault(c.names, []).append(point)
    return [
        Series(", ".join(names), palette.colour(names[0]), palette.symbol(*names), of_names)
        for names, of_names in sorted(by_names.items())
    ]


def _build_point(
    group: Group, c: Configuration, cost: Cost, axis: Axis, keys: Sequence[str], with_bars: bool
) -> Point | None:
    x = cost.epoch_s if axis is SECONDS else cost.peak_mib
    sample = c.sample(group.test_score)
    if x is None or x <= 0 or sample is None:
        return None
    spread = sample.deviation if with_bars else None
    lines = (
        f"{c.model}, {c.sampler}" + (f" ({c.experiment})" if c.experiment else ""),
        describe_settings(c, keys),
        f"test {mean_and_spread(sample)} %, n={c.run_count}",
        f"val {mean_and_spread(c.sample(group.val_score))} %",
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


def _describe(plot: Scatter, group: Group, axis: Axis, device: str, with_bars: bool) -> str:
    """Describe the plot, and its bars, lines and outliers if it has any."""
    num_points, num_below = len(plot.points), plot.num_below
    count = f"{num_points} configuration{'s' * (num_points != 1)}"
    note = f"; {num_below} far below the others {'is' if num_below == 1 else 'are'} not shown"
    return (
        f"Mean test {score_name(group)} of {count} of {group.name} against {axis.name} "
        f"({axis.statistic}) on {device}; {len(plot.front)} on the Pareto front (grey steps: "
        "nothing cheaper is as good), the best by validation in a ring"
        + (f"; bars are one standard deviation over {group.repeated}s" if with_bars else "")
        + ("; dashed lines are published values, in the colour of the model" if plot.lines else "")
        + (note if num_below else "")
        + "."
    )
