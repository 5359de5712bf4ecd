"""The result table of a sweep, one line per configuration."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from redditgnn.metric.base import Metric
from redditgnn.record.runs_file import Row
from redditgnn.record.splits import RunCount, data_of, most_splits
from redditgnn.sweep.goal import goal_of
from redditgnn.sweep.plan import REPEATED_KEYS, Job
from redditgnn.sweep.protocol import Outcome

BEST = "*"


class Result(NamedTuple):
    """A job and its outcome."""

    job: Job
    outcome: Outcome


class _Configuration(NamedTuple):
    """The runs of one configuration, on all its splits and with all its seeds."""

    values: dict[str, str]
    jobs: list[Job]
    rows: list[Row]  # of runs that completed
    statuses: Counter[str]

    @property
    def data(self) -> str:
        """The fingerprint without the split, '' where no run completed."""
        split = self.jobs[0].split
        return data_of(self.rows[0]["fingerprint"], split and split.rule)[0] if self.rows else ""

    @property
    def splits(self) -> set[str]:
        """The splits of the runs that completed."""
        return {data_of(row["fingerprint"], None)[1] for row in self.rows}

    @property
    def run_count(self) -> RunCount:
        """The number of runs that completed, and of splits and seeds."""
        begun = ((job.split, job.settings.seed) for job in self.jobs)
        return RunCount.of(len(self.rows), begun)

    def merit(self, goal: Metric) -> float:
        """Mean validation score, so that more is better. Minus infinity where there is none."""
        scores = _read_numbers(self.rows, f"val_{goal.name}")
        return goal.merit(statistics.mean(scores)) if scores else -math.inf


def format_table(results: Sequence[Result]) -> list[str]:
    """Format mean, standard deviation and number of runs, and mark the best by validation.

    The score is that of `goal_of`. Configurations compete only on equal data, and on equal splits
    of them. So each dataset has a best configuration.
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
    table = ["  ".join(line).rstrip() for line in padded]
    return [*table, *_explain_splits(groups)]


def _explain_splits(groups: Sequence[_Configuration]) -> list[str]:
    """Say what mean and deviation are over, if there are several splits."""
    words = dict.fromkeys(group.run_count.in_words for group in groups if group.run_count.in_words)
    if not words:
        return []
    return [
        "",
        f"mean and standard deviation over all runs of {', '.join(words)}: "
        "the deviation is of splits and seeds together",
    ]


def _group_by_configuration(results: Sequence[Result]) -> list[_Configuration]:
    groups: dict[str, _Configuration] = {}
    for job, outcome in results:
        values = {k: v for k, v in job.values.items() if k.lstrip("+") not in REPEATED_KEYS}
        new = _Configuration(values, [], [], Counter())
        group = groups.setdefault(job.configuration, new)
        group.jobs.append(job)
        is_done = outcome.status in ("completed", "skipped")
        group.statuses["completed" if is_done else outcome.status] += 1
        if is_done:
            group.rows.append(outcome.row)
    return list(groups.values())


def _find_best(groups: Sequence[_Configuration], goal: Metric) -> set[int]:
    if len(groups) < 2:
        return set()
    best = set()
    for data in {group.data for group in groups if group.rows}:
        rivals = {n: group for n, group in enumerate(groups) if group.rows and group.data == data}
        splits = most_splits([group.splits for group in rivals.values()])
        complete = [number for number, group in rivals.items() if group.splits >= splits]
        best.add(max(complete, key=lambda number: groups[number].merit(goal)))
    return best


def _format_cells(group: _Configuration, keys: Sequence[str], scores: Sequence[str]) -> list[str]:
    seconds = _read_numbers(group.rows, "epoch_median_s")
    peaks = _read_numbers(group.rows, "peak_cuda_reserved_mib") or _read_numbers(
        group.rows, "peak_rss_mib"
    )
    return [
        *(group.values.get(key, "") for key in keys),
        str(group.run_count),
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
