"""Rows of runs.csv that repeat one experiment, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redditgnn.config.splits import PUBLIC
from redditgnn.errors import DataError
from redditgnn.record.reading import FILE
from redditgnn.record.splits import RunCount, data_of
from redditgnn.verify.target import Target
from redditgnn.verify.verdict import Sample, sample_of


def find_repetitions(
    runs: pd.DataFrame, config_hashes: Sequence[str], target: Target
) -> pd.DataFrame:
    """Return the completed runs on the target's data, one row for each split and seed.

    Each of `config_hashes` is that of one split. If the data of a split have several
    fingerprints, only runs with the last row's fingerprint count. Of several runs of a seed, the
    first counts. Rows with a fingerprint in the form of older versions never count. Splits of other
    data than the last row's never count either.
    """
    runs = runs[(runs.status == "completed") & runs.config_hash.isin(config_hashes)]
    applies = {text: target.applies_to(text) for text in runs.fingerprint.unique()}
    runs = runs[runs.fingerprint.map(applies).astype(bool)]
    if target.splits is not None and len(runs):
        data = [data_of(text, PUBLIC)[0] for text in runs.fingerprint]
        runs = runs[[one == data[-1] for one in data]]
    by_split = [runs[runs.config_hash == text] for text in config_hashes]
    chosen = [select_fingerprint(rows, rows.fingerprint.iloc[-1]) for rows in by_split if len(rows)]
    return pd.concat(chosen) if chosen else runs.iloc[:0]


def select_fingerprint(runs: pd.DataFrame, fingerprint: str) -> pd.DataFrame:
    """Return the completed `runs` with one fingerprint, the first of each seed."""
    completed = runs[(runs.status == "completed") & (runs.fingerprint == fingerprint)]
    return completed.drop_duplicates("seed")


def count_runs(runs: pd.DataFrame) -> RunCount:
    """Count the runs of one configuration, and its splits and seeds."""
    return RunCount.of(len(runs), zip(runs.config_hash, runs.seed, strict=True))


def percent_sample(runs: pd.DataFrame, target: Target) -> Sample:
    """Summarise the scores of at least one run in the target's metric, in percent.

    Raises:
        DataError: a completed run has no such score.
    """
    refuse_unscored(runs, target.metric)
    return sample_of(list(100 * runs[target.metric]))


def refuse_unscored(runs: pd.DataFrame, metric: str) -> None:
    """Refuse completed runs without a score.

    Raises:
        DataError: names its row.
    """
    unscored = runs[runs[metric].isna()]
    if len(unscored):
        row = unscored.iloc[0]
        raise DataError(
            f"{row[FILE]}: seed {row.seed} of {row.config_hash} is completed and has no {metric}; "
            "remove that row"
        )
