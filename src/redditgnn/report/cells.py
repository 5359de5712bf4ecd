"""Numbers as text for people: in percent, with two decimals."""

from __future__ import annotations

from redditgnn.metric.base import METRICS, Metric
from redditgnn.report.grouping import STATUSES, Configuration, Group
from redditgnn.verify.verdict import Interval, Sample

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def score_name(group: Group) -> str:
    """Return the name of the score: accuracy if micro-F1 is the same number."""
    return "accuracy" if "accuracy" in group.main_metrics else group.metric.title


def further_metrics(group: Group) -> list[Metric]:
    """Return the metrics other than that of `score_name`."""
    return [metric for metric in METRICS if metric.name not in group.main_metrics]


def percent(fraction: float | None) -> float | None:
    """Return a percentage with two decimals."""
    return None if fraction is None else round(100 * fraction, 2)


def mean_and_spread(sample: Sample | None) -> str:
    """Write mean and standard deviation of fractions in percent, '' if there is no run."""
    if sample is None:
        return ""
    spread = "" if sample.deviation is None else f" {PLUS_MINUS} {100 * sample.deviation:.2f}"
    return f"{100 * sample.mean:.2f}{spread}"


def interval_in_percent(interval: Interval | None, form: str = ".2f") -> str:
    """Write an interval of fractions in percent, '' if it is unknown."""
    if interval is None:
        return ""
    return f"[{100 * interval.low:{form}}, {100 * interval.high:{form}}]"


def number(value: float | None, form: str) -> str:
    """Write a number in the format `form`, '' if it is missing."""
    return "" if value is None else f"{value:{form}}"


def statuses(configuration: Configuration) -> str:
    """Count how the runs ended: `10 completed, 1 oom`."""
    count = configuration.statuses
    names = [*STATUSES, *sorted(set(count) - set(STATUSES))]
    return ", ".join(f"{count[status]} {status}" for status in names if count.get(status))
