"""Rows of runs.csv as configurations, in groups of equal data and protocol that compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.metric.base import TEST_SCORES, VAL_SCORES, Metric, common_metric
from redditgnn.record.reading import FILE, TEXTS
from redditgnn.record.splits import RunCount, most_splits, settings_of, split_columns
from redditgnn.report.naming import group_names, place_name
from redditgnn.verify.repetitions import refuse_unscored
from redditgnn.verify.verdict import Sample, sample_of

SCORES = (*VAL_SCORES, *TEST_SCORES)
CUDA, RSS = "peak_cuda_allocated_mib", "peak_rss_mib"
NUMBERS = (*SCORES, "epoch_median_s", "train_s", "wait_s", "processes", CUDA, RSS)
WORDS = (*TEXTS, "run_id", "dataset", "model", "sampler", "protocol")
# Seconds depend on these.
PLACE = ("device", "device_name", "num_threads", "kernels_backend", "processes")
STATUSES = ("completed", "failed", "oom", "diverged", "interrupted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Medians over the runs in one place, None if no row has a value. `memory` is RSS or CUDA.

    `device_name` includes the number of threads and a chosen backend, if they are known.
    """

    device_name: str
    runs: int
    epoch_s: float | None
    peak_mib: float | None
    memory: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All runs that differ only in split and seed; `runs` has one run for each pair of these.

    `timed` has one for each pair and number of processes, which no score depends on. `config_hash`
    is that of the first run. Runs on another split have another.
    """

    config_hash: str
    dataset: str
    model: str
    sampler: str
    experiment: str
    hyperparameters: dict[str, Any] = field(repr=False)
    runs: pd.DataFrame = field(repr=False)  # the first completed one of each split and seed
    timed: pd.DataFrame = field(repr=False)
    run_count: RunCount
    statuses: dict[str, int]

    @property
    def names(self) -> tuple[str, str]:
        """Model and sampler, which a sweep has in common."""
        return self.model, self.sampler

    @property
    def label(self) -> str:
        """The name in a legend, without the settings that distinguish it from others."""
        return self.experiment or f"{self.model}, {self.sampler}"

    @cached_property
    def splits(self) -> set[str]:
        """The splits of its completed runs."""
        return set(self.runs.split)

    def sample(self, score: str) -> Sample | None:
        """Summarise a score over splits and seeds as a fraction, None if no run has it."""
        values = self.runs[score].dropna()
        return sample_of(list(values)) if len(values) else None

    def by_run(self, score: str) -> dict[tuple[str, str], float]:
        """Map split and seed to a score."""
        runs = self.runs[self.runs[score].notna()]
        keys = zip(runs.split, runs.seed, strict=True)
        return {key: float(value) for key, value in zip(keys, runs[score], strict=True)}

    @cached_property
    def costs(self) -> list[Cost]:
        """The costs in each place where it ran, that with the most runs first."""
        cells = zip(*(self.timed[name] for name in PLACE), strict=True)
        names = pd.Series([place_name(*place) for place in cells], self.timed.index, dtype=str)
        costs = [_cost(str(name), rows) for name, rows in self.timed.groupby(names, sort=False)]
        return sorted(costs, key=lambda cost: -cost.runs)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Configurations whose scores may be compared, best validation score first.

    Those that did not run on all splits of the others come last. `fingerprint` has of several
    splits only the sizes, and these only if they are equal. `metric` is what all of them monitor,
    micro-F1 if that is the loss or they differ.
    """

    name: str
    dataset: str
    fingerprint: str
    protocol: str
    metric: Metric
    configurations: list[Configuration]

    @property
    def val_score(self) -> str:
        """The column of the score by which configurations are ranked."""
        return f"val_{self.metric.name}"

    @property
    def test_score(self) -> str:
        """The column of the score in which they are compared."""
        return f"test_{self.metric.name}"

    @cached_property
    def best(self) -> Configuration | None:
        """The configuration with the best mean validation score, if any run completed."""
        first = self.configurations[0]
        return first if first.sample(self.val_score) else None

    @cached_property
    def num_splits(self) -> int:
        """The number of splits of the completed runs."""
        return len({split for configuration in self.scored for split in configuration.splits})

    @property
    def repeated(self) -> str:
        """The word for the runs of a configuration: they have other seeds, or other splits too."""
        return "seed" if self.num_splits < 2 else "run"

    @cached_property
    def scored(self) -> list[Configuration]:
        """The configurations with a completed run."""
        return [configuration for configuration in self.configurations if len(configuration.runs)]

    @cached_property
    def statuses(self) -> Counter[str]:
        """The number of runs by status."""
        total: Counter[str] = Counter()
        for configuration in self.configurations:
            total.update(configuration.statuses)
        return total

    @cached_property
    def accuracy_is_f1(self) -> bool:
        """Whether accuracy equals micro-F1 in every run, as when each node has one label."""
        return all(
            bool((c.runs.test_accuracy - c.runs.test_micro_f1).abs().le(1e-9).all())
            for c in self.scored
        )

    @property
    def main_metrics(self) -> set[str]:
        """The metrics whose test score tables and plots show first: one number, by its names."""
        names = {"micro_f1", "accuracy"}
        equal = self.accuracy_is_f1 and self.metric.name in names
        return names if equal else {self.metric.name}

    @cached_property
    def devices(self) -> list[str]:
        """The devices of the completed runs."""
        return sorted({cost.device_name for c in self.scored for cost in c.costs})


@dataclass(frozen=True, kw_only=True)
class Material:
    """The groups of a report; `ungrouped` counts runs that ended before they read any data."""

    groups: list[Group]
    ungrouped: Counter[str]
    num_rows: int


def material_of(runs: pd.DataFrame) -> Material:
    """Divide all rows into groups.

    Raises:
        DataError: a cell that must be a number or JSON is not.
    """
    rows = _merge_resumed(_add_columns(runs))
    cells = rows[[*WORDS, "hyperparameters", FILE]].to_dict("records")
    columns = split_columns(cells).set_index(rows.index)
    rows = pd.concat([rows, columns], axis=1)
    keys = list(zip(rows.data, rows.protocol, strict=True))
    by_key = {key: rows[[other == key for other in keys]] for key in dict.fromkeys(keys) if key[0]}
    names = group_names(by_key)
    groups = [_build_group(names[key], key[1], runs) for key, runs in by_key.items()]
    ungrouped = Counter(rows.status[rows.fingerprint == ""])
    groups.sort(key=lambda group: group.name)
    return Material(groups=groups, ungrouped=ungrouped, num_rows=len(runs))


def _add_columns(runs: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that older versions did not write, and parse numbers."""
    rows = runs.copy()
    for name in (*WORDS, *PLACE[:-1], "hyperparameters", FILE):
        rows[name] = rows[name].fillna("").astype(str) if name in rows else ""
    rows["processes"] = rows.processes.replace("", 1).fillna(1) if "processes" in rows else 1
    for name in NUMBERS:
        try:
            rows[name] = pd.to_numeric(rows[name]) if name in rows else float("nan")
        except ValueError as error:
            raise DataError(f"column {name} of runs.csv: {error}; mend or remove it") from error
    return rows


def _merge_resumed(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of a resumed run, and give early failures the data of their group."""
    unnamed = rows.run_id == ""
    rows = pd.concat([rows[unnamed], rows[~unnamed].drop_duplicates("run_id", keep="last")])
    rows = rows.sort_index()
    by_config = rows[rows.fingerprint != ""].groupby(["config_hash", "protocol"]).fingerprint
    unique = {key: texts.iloc[0] for key, texts in by_config if texts.nunique() == 1}
    early = rows.fingerprint == ""
    keys = zip(rows.config_hash[early], rows.protocol[early], strict=True)
    rows.loc[early, "fingerprint"] = [unique.get(key, "") for key in keys]
    return rows


def _build_group(name: str, protocol: str, rows: pd.DataFrame) -> Group:
    by_settings = rows.groupby("configuration", sort=False)
    configurations = [_build_configuration(runs) for _, runs in by_settings]
    splits = most_splits([c.splits for c in configurations])
    metric = common_metric(c.hyperparameters.get("trainer.monitor") for c in configurations)
    configurations.sort(key=lambda c: (not c.splits >= splits, *_rank(c, metric)))
    return Group(
        name=name,
        dataset=str(rows.dataset.mode().iloc[0]),
        fingerprint=_common_fingerprint(list(rows.fingerprint.unique())),
        protocol=protocol,
        metric=metric,
        configurations=configurations,
    )


def _common_fingerprint(fingerprints: Sequence[str]) -> str:
    """Return the fingerprint of a group, of several splits only with equal sizes."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    parts = list(map(Fingerprint.parse, fingerprints))
    sizes = {part.split.partition(":")[0] for part in parts}
    return str(replace(parts[0], split=sizes.pop() if len(sizes) == 1 else ""))


def _rank(configuration: Configuration, metric: Metric) -> tuple[float, int, str]:
    """Return the key to sort by: validation score, then number of runs."""
    score = configuration.sample(f"val_{metric.name}")
    mean = float("inf") if score is None else -metric.merit(round(score.mean, 12))
    return mean, -len(configuration.runs), configuration.config_hash


def _build_configuration(rows: pd.DataFrame) -> Configuration:
    timed = rows[rows.status == "completed"].drop_duplicates(["split", "seed", "processes"])
    completed = timed.drop_duplicates(["split", "seed"])
    refuse_unscored(completed, "test_micro_f1")
    first = (completed if len(completed) else rows).iloc[0]
    begun = zip(rows.split, rows.seed, strict=True)
    return Configuration(
        config_hash=first.config_hash,
        dataset=first.dataset,
        model=first.model,
        sampler=first.sampler,
        experiment=next((name for name in rows.experiment if name), ""),
        hyperparameters=settings_of(first.to_dict()),
        runs=completed,
        timed=timed,
        run_count=RunCount.of(len(completed), begun),
        statuses={str(status): int(count) for status, count in rows.status.value_counts().items()},
    )


def _cost(device_name: str, rows: pd.DataFrame) -> Cost:
    memory = CUDA if rows[CUDA].notna().any() else RSS
    return Cost(
        device_name=device_name,
        runs=len(rows),
        epoch_s=_median(rows.epoch_median_s),
        peak_mib=_median(rows[memory]),
        memory="CUDA" if memory == CUDA else "RSS",
    )


def _median(values: pd.Series) -> float | None:
    median = values.median()
    return None if pd.isna(median) else float(median)
