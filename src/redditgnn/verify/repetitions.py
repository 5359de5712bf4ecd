"""Rows of runs.csv that repeat one experiment, and their scores."""

from __future__ import annotations

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.record.reading import FILE
from redditgnn.verify.target import Target
from redditgnn.verify.verdict import Sample, sample_of


def find_repetitions(runs: pd.DataFrame, config_hash: str, target: Target) -> pd.DataFrame:
    """Return the completed runs of one configuration on the target's data, one row for each seed.

    If such data have several fingerprints, only runs with the last row's fingerprint count. Of
    several runs of a seed, the first counts. Rows with a fingerprint in the form of older versions
    never count.
    """
    completed = runs[(runs.status == "completed") & (runs.config_hash == config_hash)]
    fingerprints = [text for text in completed.fingerprint if target.applies_to(text)]
    if not fingerprints:
        return completed.iloc[:0]
    return select_fingerprint(completed, fingerprints[-1])


def select_fingerprint(runs: pd.DataFrame, fingerprint: str) -> pd.DataFrame:
    """Return the completed `runs` with one fingerprint, the first of each seed."""
    completed = runs[(runs.status == "completed") & (runs.fingerprint == fingerprint)]
    return completed.drop_duplicates("seed")


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
