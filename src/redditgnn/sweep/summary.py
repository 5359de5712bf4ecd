"""The result table of a sweep, one line per configuration."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from redditgnn.metric.base import Metric
from redditgnn.record.runs_file import Row
from redditgnn.sweep.goal import goal_of
from redditgnn.sweep.plan import Job
from redditgnn.sweep.protocol import Outcome

BEST = "*"


class Result(NamedTuple):
    """A job and its outcome."""

    job: Job
    outcome: Outcome


class _Configuration(NamedTuple):
    """The runs of one configuration, with all its seeds."""

    values: dict[str, str]
    rows: list[Row]  # of runs that completed
    statuses: Counter[str]

    @property
    def fingerprint(self) -> str:
        return self.rows[0]["fingerprint"] if self.rows else ""

    def merit(self, goal: Metric) -> float:
        """Mean validation score, so that more is better. Minus infinity where there is none."""
        scores = _read_numbers(self.rows, f"val_{goal.name}")
        return goal.merit(statistics.mean(scores)) if scores else -math.inf


def format_table(results: Sequence[Result]) -> list[str]:
    """Format mean, standard deviation and number of runs, and mark the best by validation.

    The score is that of `goal_of`. Configurations compete only on equal data: each fingerprint has
    a best configuration.
    """
    groups = _group_by_configuration(results)
    keys = list(dict.fromkeys(key for group in groups for key in group.values))
    goal = goal_of(result.job for result in results)
    scores = (f"val_{goal.name}", f"test_{goal.name}")
    names = ("n", *scores, "epoch_s", "peak_mib", "runs")
    lines = [["", *(key.lstrip("+") for key in keys), *names]]
    best = _find_best(groups, goal)
    for number, group in enumerate(groups):
        lines.append([BEST if number in best else "", *_format_cells(group, keys, scores)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return ["  ".join(line).rstrip() for line in padded]


def _group_by_configuration(results: Sequence[Result]) -> list[_Configuration]:
    groups: dict[str, _Configuration] = {}
    for job, outcome in results:
        values = {key: value for key, value in job.values.items() if key != "seed"}
        group = groups.setdefault(job.config_hash, _Configuration(values, [], Counter()))
        is_done = outcome.status in ("completed", "skipped")
        group.statuses["completed" if is_done else outcome.status] += 1
        if is_done:
            group.rows.append(outcome.row)
    return list(groups.values())


def _find_best(groups: Sequence[_Configuration], goal: Metric) -> set[int]:
    if len(groups) < 2:
        return set()
    best: dict[str, int] = {}
    for number, group in enumerate(groups):
        if group.rows:
            rival = best.setdefault(group.fingerprint, number)
            if group.merit(goal) > groups[rival].merit(goal):
                best[group.fingerprint] = number
    return set(best.values())


def _format_cells(group: _Configuration, keys: Sequence[str], scores: Sequence[str]) -> list[str]:
    seconds = _read_numbers(group.rows, "epoch_median_s")
    peaks = _read_numbers(group.rows, "peak_cuda_reserved_mib") or _read_numbers(
        group.rows, "peak_rss_mib"
    )
    return [
        *(group.values.get(key, "") for key in keys),
        str(len(group.rows)),
        *(_format_spread(_read_numbers(group.rows, score)) for score in scores),
        f"{statistics.mean(seconds):.4f}" if seconds else "-",
        f"{max(peaks):.0f}" if peaks else "-",
        ", ".join(f"{count} {status}" for status, count in sorted(group.statuses.items())),
    ]


def _format_spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} +- {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _read_numbers(rows: Sequence[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows if row.get(column)]
