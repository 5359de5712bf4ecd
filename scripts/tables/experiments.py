"""The experiments of results/reference/runs.csv, with the rows that count and their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.verify.repetitions import (
    count_runs,
    find_repetitions,
    percent_sample,
    select_fingerprint,
)
from redditgnn.verify.target import Target, target_from
from redditgnn.verify.verdict import Sample, Verdict, judge, sample_of

RUNS = Path("results/reference/runs.csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An experiment with the rows that count; `target` and `verdict` where one is published.

    `first` is what was said of the seeds that `redditgnn verify` takes, if there are more by now.
    """

    name: str
    runs: pd.DataFrame
    sample: Sample
    target: Target | None
    verdict: Verdict | None
    first: Verdict | None = None

    @property
    def ours(self) -> str:
        """Mean and deviation."""
        deviation = self.sample.deviation
        return f"{self.sample.mean:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")

    @property
    def outcome(self) -> str:
        """The name of the verdict on its published number."""
        assert self.target is not None
        assert self.verdict is not None
        return self.target.name_of(self.verdict, count_runs(self.runs).splits)

    @property
    def seconds(self) -> str:
        """Seconds an epoch, if all runs were on one machine."""
        same = self.runs.device_name.nunique() == 1
        return f"{self.runs.epoch_median_s.median():.3g}" if same else "mixed"


def read_entries(runs: pd.DataFrame, config_dir: Path) -> dict[str, Entry]:
    """Return the experiments that have rows, by name."""
    experiments = Experiments([config_dir])
    present = {*runs.experiment}
    if unknown := sorted(present - {*experiments.names}):
        raise ValueError(f"{RUNS} has runs of {unknown[0] or 'no experiment'}, not in conf")
    names = [name for name in experiments.names if name in present]
    entries = [read_entry(name, runs, experiments) for name in names]
    return {entry.name: entry for entry in entries if entry is not None}


def read_entry(name: str, runs: pd.DataFrame, experiments: Experiments) -> Entry | None:
    """Collect the rows of one experiment as it is configured now; None if there are none."""
    settings, values = experiments.compose(name)
    config_hash = hash_of_config(settings)
    if values is None:
        return _unpublished(name, runs, config_hash)
    target = target_from(values, name)
    rows = find_repetitions(runs, target.config_hashes(settings), target)
    if rows.empty:
        return None
    sample = percent_sample(rows, target)
    return Entry(
        name=name,
        runs=rows,
        sample=sample,
        target=target,
        verdict=judge(sample, target.published),
        first=first_verdict(rows, target),
    )


def _unpublished(name: str, runs: pd.DataFrame, config_hash: str) -> Entry | None:
    """Collect the rows of an experiment for which nothing is published."""
    rows = runs[(runs.status == "completed") & (runs.config_hash == config_hash)]
    if rows.empty:
        return None
    rows = select_fingerprint(rows, rows.fingerprint.iloc[-1])
    sample = sample_of(list(100 * rows.test_accuracy))
    return Entry(name=name, runs=rows, sample=sample, target=None, verdict=None)


def first_verdict(runs: pd.DataFrame, target: Target) -> Verdict | None:
    """Judge the seeds that were planned before any were run; None if there are no others."""
    planned = runs[runs.seed.astype(int) < target.num_seeds]
    if len(planned) in (0, len(runs)):
        return None
    return judge(percent_sample(planned, target), target.published)


def counted(runs: pd.DataFrame, entries: dict[str, Entry]) -> pd.DataFrame:
    """Return every row that counts, once."""
    rows = pd.concat([runs.iloc[:0], *(entry.runs for entry in entries.values())])
    return rows[~rows.index.duplicated()]
