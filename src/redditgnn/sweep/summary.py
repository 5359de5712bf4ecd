"""What a sweep found, a line a configuration."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from redditgnn.record.runs_file import Row
from redditgnn.sweep.plan import Job
from redditgnn.sweep.protocol import Outcome

BEST = "*"


class Result(NamedTuple):
    """A job, and how it ended."""

    job: Job
    outcome: Outcome


class _Configuration(NamedTuple):
    """All seeds of one configuration."""

    swept: dict[str, str]
    rows: list[Row]  # of runs that completed
    statuses: Counter[str]

    @property
    def fingerprint(self) -> str:
        return self.rows[0]["fingerprint"] if self.rows else ""

    @property
    def validation(self) -> float:
        """Mean validation score; below all scores where there is none."""
        found = _numbers(self.rows, "val_micro_f1")
        return statistics.mean(found) if found else -1.0


def table(results: Sequence[Result]) -> list[str]:
    """Lay out mean, standard deviation and number of runs; the best by validation is marked.

    Configurations compete only on equal data: each fingerprint has a best one.
    """
    configurations = _configurations(results)
    keys = list(dict.fromkeys(key for one in configurations for key in one.swept))
    names = ("n", "val_micro_f1", "test_micro_f1", "epoch_s", "peak_mib", "runs")
    lines = [["", *(key.lstrip("+") for key in keys), *names]]
    best = _best(configurations)
    for number, one in enumerate(configurations):
        lines.append([BEST if number in best else "", *_cells(one, keys)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return ["  ".join(line).rstrip() for line in padded]


def _configurations(results: Sequence[Result]) -> list[_Configuration]:
    found: dict[str, _Configuration] = {}
    for job, outcome in results:
        swept = {key: value for key, value in job.swept.items() if key != "seed"}
        one = found.setdefault(job.config_hash, _Configuration(swept, [], Counter()))
        is_done = outcome.status in ("completed", "skipped")
        one.statuses["completed" if is_done else outcome.status] += 1
        if is_done:
            one.rows.append(outcome.row)
    return list(found.values())


def _best(configurations: Sequence[_Configuration]) -> set[int]:
    if len(configurations) < 2:
        return set()
    found: dict[str, int] = {}
    for number, one in enumerate(configurations):
        if one.rows:
            rival = found.setdefault(one.fingerprint, number)
            if one.validation > configurations[rival].validation:
                found[one.fingerprint] = number
    return set(found.values())


def _cells(one: _Configuration, keys: Sequence[str]) -> list[str]:
    seconds = _numbers(one.rows, "epoch_median_s")
    peaks = _numbers(one.rows, "peak_cuda_reserved_mib") or _numbers(one.rows, "peak_rss_mib")
    return [
        *(one.swept.get(key, "") for key in keys),
        str(len(one.rows)),
        _spread(_numbers(one.rows, "val_micro_f1")),
        _spread(_numbers(one.rows, "test_micro_f1")),
        f"{statistics.mean(seconds):.4f}" if seconds else "-",
        f"{max(peaks):.0f}" if peaks else "-",
        ", ".join(f"{count} {status}" for status, count in sorted(one.statuses.items())),
    ]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} +- {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _numbers(rows: Sequence[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows if row.get(column)]
