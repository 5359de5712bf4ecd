"""A comparison with a published number, in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from redditgnn.verify.repetitions import count_runs
from redditgnn.verify.target import TRUST, Target
from redditgnn.verify.verdict import Interval, Sample, Verdict, interval_of_mean


def describe_comparison(
    runs: pd.DataFrame, ours: Sample, target: Target, verdict: Verdict
) -> Iterator[str]:
    """Describe our runs, the published number and their difference, a line each."""
    counts = ", ".join(f"{count} from {file}" for file, count in runs.file.value_counts().items())
    yield f"runs        {counts}"
    mean, count = format_interval(interval_of_mean(ours)), count_runs(runs)
    n = f"{ours.runs} ({count.in_words})" if count.in_words else ours.runs
    yield f"ours        {format_sample(ours)} % {target.metric}, n={n}, mean in {mean}"
    num_runs = "number of runs unknown" if target.runs is None else f"n={target.runs}"
    if target.splits is not None:
        num_runs += f" over {target.splits} splits"
    yield f"published   {format_sample(target.published)} %, {num_runs}; {target.source}"
    exact = "; taken as exact, for the source lacks spread or runs"
    note = exact if verdict.published_is_exact else ""
    yield f"trust       {target.trust}: {TRUST[target.trust]}{note}"
    whose = "ours, for none is published" if target.spread is None else "the published one"
    interval = format_interval(verdict.interval, "+.2f")
    yield (
        f"difference  {verdict.difference:+.2f}, in {interval}; margin {verdict.margin:.2f}: "
        f"one standard deviation, {whose}"
    )


def format_sample(sample: Sample) -> str:
    """Write mean and standard deviation with two decimals."""
    spread = "" if sample.deviation is None else f" +- {sample.deviation:.2f}"
    return f"{sample.mean:.2f}{spread}"


def format_interval(interval: Interval | None, form: str = ".2f") -> str:
    """Write both ends of an interval in the format `form`."""
    if interval is None:
        return "[unknown]"
    return f"[{interval.low:{form}}, {interval.high:{form}}]"
