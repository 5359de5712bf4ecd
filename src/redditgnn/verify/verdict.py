"""Test whether a mean over our runs agrees with a published one. docs/verify.md explains it.

Here d = ours - published, and [low, high] is its 95 % interval by Welch (1947). The margin m is
one published standard deviation of a single run, or ours if none is published.

    REPRODUCED  -m <= low and high <= m     the difference is shown to be small
    ABOVE       0 < low                     else: ours is shown to be higher
    BELOW       high < 0                    else: ours is shown to be lower
    UNDECIDED                               else: the runs cannot tell
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit  # scipy.stats would take a second to import

LEVEL = 0.95
MOST_SEEDS = 1000
ROUNDING = 1e-9  # 79.0 - 0.7 is not 78.3 in binary

Name = Literal["REPRODUCED", "ABOVE", "BELOW", "UNDECIDED"]


class Sample(NamedTuple):
    """Mean and sample standard deviation of `runs` runs; None if unknown."""

    mean: float
    deviation: float | None
    runs: int | None

    @property
    def is_exact(self) -> bool:
        """Whether the mean counts as exact, because its uncertainty is unknown."""
        return self.deviation is None or self.runs is None


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The comparison of two samples; `interval` is that of `difference` = ours - published.

    `interval` and `margin` are None for fewer than two runs. `seeds_needed` is the number of runs
    in all that would decide an undecided verdict, if mean and deviation stayed as they are. It is
    None if no number up to `MOST_SEEDS` would.
    """

    name: Name
    difference: float
    interval: Interval | None = None
    margin: float | None = None
    seeds_needed: int | None = None
    published_is_exact: bool

    @property
    def description(self) -> str:
        """The verdict, and how many seeds would decide an undecided one."""
        return self.describe("seeds")

    def describe(self, repeated: str) -> str:
        """Return the verdict in words. `repeated` names what there would have to be more of."""
        if self.name != "UNDECIDED":
            return self.name
        return f"UNDECIDED: {self._way_out(repeated)}"

    def _way_out(self, repeated: str) -> str:
        if self.interval is None:
            return "two completed runs at least are needed"
        if self.seeds_needed is not None:
            return f"{self.seeds_needed} {repeated} would decide"
        if self.published_is_exact:
            return f"more than {MOST_SEEDS:,} {repeated} would be needed"
        return f"no number of {repeated} would decide, the published value is itself too uncertain"


def sample_of(values: Sequence[float]) -> Sample:
    """Return mean and sample standard deviation (n - 1) of at least one value."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Sample(float(np.mean(values)), deviation, len(values))


def interval_of_mean(sample: Sample) -> Interval | None:
    """Return the 95 % interval of a mean by Student's t, None if its uncertainty is unknown."""
    if sample.deviation is None or sample.runs is None or sample.runs < 2:
        return None
    half = float(
        _half_widths(sample.deviation, np.array([sample.runs]), _exact_sample(sample.mean))[0]
    )
    return Interval(sample.mean - half, sample.mean + half)


def judge(ours: Sample, published: Sample) -> Verdict:
    """Compare `ours` with `published`, both in percent; `published` may be exact.

    A sample of fewer than two published runs has no deviation, so it must be exact.
    """
    assert published.is_exact or (published.runs or 0) > 1, published
    difference, exact = ours.mean - published.mean, published.is_exact
    if ours.deviation is None or ours.runs is None or ours.runs < 2:
        return Verdict(name="UNDECIDED", difference=difference, published_is_exact=exact)
    margin = ours.deviation if published.deviation is None else published.deviation
    half = float(_half_widths(ours.deviation, np.array([ours.runs]), published)[0])
    name = _name_verdict(difference, half, margin)
    needed = _seeds_needed(ours, published, margin) if name == "UNDECIDED" else None
    return Verdict(
        name=name,
        difference=difference,
        interval=Interval(difference - half, difference + half),
        margin=margin,
        seeds_needed=needed,
        published_is_exact=exact,
    )


def _name_verdict(difference: float, half: float, margin: float) -> Name:
    if abs(difference) + half <= margin + ROUNDING:
        return "REPRODUCED"
    if abs(difference) > half + ROUNDING:
        return "ABOVE" if difference > 0 else "BELOW"
    return "UNDECIDED"


def _seeds_needed(ours: Sample, published: Sample, margin: float) -> int | None:
    """Return the smallest number of runs, above the current one, that would decide."""
    assert ours.deviation is not None
    assert ours.runs is not None
    distance = abs(ours.mean - published.mean)
    runs = np.arange(ours.runs + 1, MOST_SEEDS + 1)
    half = _half_widths(ours.deviation, runs, published)
    is_decided = (distance + half <= margin + ROUNDING) | (distance > half + ROUNDING)
    return int(runs[is_decided.argmax()]) if is_decided.any() else None


def _half_widths(deviation: float, runs: np.ndarray, published: Sample) -> np.ndarray:
    """Return half the interval of the difference for each of `runs`, with Welch's freedom."""
    ours = deviation**2 / runs
    theirs, freedom_theirs = 0.0, 1
    if published.deviation is not None and published.runs is not None:
        theirs, freedom_theirs = published.deviation**2 / published.runs, published.runs - 1
    variance = ours + theirs
    if not variance.all():
        return np.zeros(len(runs))  # both agree in every run: nothing is uncertain
    freedom = variance**2 / (ours**2 / (runs - 1) + theirs**2 / freedom_theirs)
    return np.asarray(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))


def _exact_sample(mean: float) -> Sample:
    return Sample(mean, None, None)
