"""Seconds of an epoch by the number of processes that share a run: a table and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from redditgnn.report.cells import number
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.plots import GREY, PALETTE, Curve, Curves, slug_of
from redditgnn.report.settings import describe_settings

TITLE = "Seconds of an epoch by processes"
HEAD = ("configuration", "device", "processes", "threads of each", "s/epoch", "times as fast")
HEAD_END = ("ideal", "waiting, %", "runs")
EXPLANATION = (
    "Medians over the runs. Runs that differ only in their number of processes are one "
    "configuration. Ideal: the fewest processes set the pace, and n times as many are n times as "
    "fast. Waiting: time of rank 0 in collectives over that of the training."
)
IDEAL = "ideal: "


class Speed(NamedTuple):
    """The median over the runs of one configuration in one place, with so many processes."""

    processes: int
    threads: str
    epoch_s: float
    wait_share: float | None
    runs: int


class Scale(NamedTuple):
    """The speeds of one configuration on one device, the fewest processes first."""

    name: str
    device: str
    speeds: list[Speed]

    @property
    def fastest(self) -> dict[int, float]:
        """Map each number of processes to the seconds of its best number of threads."""
        seconds: dict[int, float] = {}
        for speed in self.speeds:
            seconds[speed.processes] = min(
                speed.epoch_s, seconds.get(speed.processes, speed.epoch_s)
            )
        return seconds

    def ideal(self, processes: int) -> float:
        """Return how many times as fast as the fewest processes these would be."""
        return processes / self.speeds[0].processes


@dataclass(frozen=True, kw_only=True)
class Scaling(Curves):
    """Seconds by the number of processes, each beside its ideal line."""

    @property
    def score_range(self) -> tuple[float, float]:
        """The ends of the axis, which begins at zero."""
        return 0.0, 1.05 * max(value for curve in self.curves for value in curve.mean)


def scales_of(group: Group, keys: Sequence[str]) -> list[Scale]:
    """Return the configurations that ran with several numbers of processes."""
    return [scale for c in group.scored for scale in _scales(c, keys)]


def _scales(configuration: Configuration, keys: Sequence[str]) -> Iterator[Scale]:
    settings = describe_settings(configuration, keys)
    name = ", ".join(filter(None, (*configuration.names, settings)))
    timed = configuration.timed[configuration.timed.epoch_median_s.notna()]
    for device, rows in timed.groupby("device_name", sort=False):
        if rows.processes.nunique() > 1:
            yield Scale(name, str(device), _speeds(rows))


def _speeds(rows: pd.DataFrame) -> list[Speed]:
    return [
        Speed(int(processes), threads, *_medians(runs), len(runs))
        for (processes, threads), runs in rows.groupby(["processes", "num_threads"])
    ]


def _medians(runs: pd.DataFrame) -> tuple[float, float | None]:
    share = (runs.wait_s / runs.train_s).median()
    return float(runs.epoch_median_s.median()), None if pd.isna(share) else float(share)


def rows_of(scales: Sequence[Scale]) -> list[list[str]]:
    """Return the head of the table, and a row for each speed."""
    lines = [_cells(scale, speed) for scale in scales for speed in scale.speeds]
    return [[*HEAD, *HEAD_END], *lines]


def _cells(scale: Scale, speed: Speed) -> list[str]:
    share = None if speed.wait_share is None else 100 * speed.wait_share
    return [
        *(scale.name, scale.device, str(speed.processes), speed.threads),
        number(speed.epoch_s, ".3g"),
        number(scale.speeds[0].epoch_s / speed.epoch_s, ".2f"),
        number(scale.ideal(speed.processes), "g"),
        number(share, ".0f"),
        str(speed.runs),
    ]


def lines_of(scales: Sequence[Scale]) -> list[str]:
    """Return the table for a terminal."""
    rows = rows_of(scales)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def scaling_of(group: Group, scales: Sequence[Scale]) -> Scaling | None:
    """Return the plot of the first scales, which are the best by validation; None without any."""
    if not scales:
        return None
    shown = list(zip(scales, PALETTE, strict=False))
    return Scaling(
        slug=slug_of(group.name, "processes"),
        title=TITLE,
        sentence=(
            f"Median seconds of an epoch of {group.name} by the number of processes, with the best "
            "number of threads of each, beside the ideal line in grey, of "
            f"{len(shown)} of {len(scales)} configurations and devices."
        ),
        x_title="processes",
        y_title="seconds per epoch",
        curves=[curve for scale, colour in shown for curve in _curves(scale, colour)],
    )


def _curves(scale: Scale, colour: str) -> list[Curve]:
    seconds = scale.fastest
    x = sorted(seconds)
    ideal = [seconds[x[0]] / scale.ideal(count) for count in x]
    name = f"{scale.name}, {scale.device}"
    return [
        Curve(f"{IDEAL}{name}", GREY, [float(n) for n in x], ideal, [], []),
        Curve(name, colour, [float(n) for n in x], [seconds[count] for count in x], [], []),
    ]
